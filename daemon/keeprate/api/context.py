"""What every request is served with: the home, the running daemon, and a session of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import Annotated, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from keeprate.api.problems import NotFoundError
from keeprate.api.sessions import Sessions
from keeprate.api.streaming import Streams
from keeprate.errors import UsageError
from keeprate.paths import Home
from keeprate.service.control import Control, Live
from keeprate.steps.memory import give_back_soon
from keeprate.steps.session import Session, open_session


@dataclass(frozen=True, slots=True)
class Context:
    """What the handlers of one server have in common."""

    home: Home
    control: Control
    streams: Streams
    sessions: Sessions
    page: str | None
    """Where the page is; None: it is not served."""
    attention: tuple[str, ...]
    """What the server itself has to tell: that the port of the page is taken."""
    turn: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """Whose turn it is, of those who read all of a library."""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for one request, in the thread that serves it: a catalog's connection belongs to one thread.

        What is named in the request and does not exist is a `NotFoundError`.
        """
        try:
            with open_session(self.home, config=self.control.config) as session:
                yield session
        except UsageError as error:
            if type(error) is not UsageError:
                raise
            raise NotFoundError(error.what, advice=error.advice, path=error.path) from error
        finally:
            give_back_soon()  # a page of a large library reads a lot of it

    def live(self) -> Live:
        live = self.control.live()
        return replace(live, attention=(*live.attention, *self.attention)) if self.attention else live


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Api = Annotated[Context, Depends(_context)]

P = ParamSpec("P")
T = TypeVar("T")


def in_turn(handler: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Serve one such request (each has `api`) at a time: those who read all of a library need room for it."""

    @wraps(handler)
    async def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        api = kwargs["api"]
        assert isinstance(api, Context)  # noqa: S101 (see `Api`)
        return await to_thread.run_sync(partial(handler, *args, **kwargs), limiter=api.turn)

    return waiting
