"""Events as they happen, to whoever listens (server-sent events): no thread and no timer a listener."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from keeprate.api.problems import as_json
from keeprate.service.events import LISTENER_HOLDS, Event, Events

KEEPALIVE_S = 15.0
"""A stream says something at least this often: whoever listens knows that it lives."""
MEDIA_TYPE = "text/event-stream"
_END = None


class EventStream(StreamingResponse):
    """An answer that goes on until either side ends it.

    FastAPI's own (`EventSourceResponse`) fails with a page of tracebacks if the listener leaves while it is told
    something.
    """

    media_type = MEDIA_TYPE

    def __init__(self, content: AsyncGenerator[bytes]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(self._content):  # at once, not when garbage is collected
            await super().__call__(scope, receive, send)


@dataclass(slots=True)
class Streams:
    """The open event streams of one server. Lives in the server's loop."""

    events: Events
    run: str = field(default_factory=lambda: os.urandom(4).hex())
    """Tells the ids of this run of the daemon from those of the last, which counted from 1 too."""
    _open: set[asyncio.Queue[Event | None]] = field(default_factory=set)

    async def follow(self, last_event_id: str | None) -> AsyncGenerator[bytes]:
        """What happens from now on, and before that what was missed since `last_event_id` and is still kept."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[Event | None] = asyncio.Queue()

        def put(event: Event) -> None:
            if waiting.qsize() >= LISTENER_HOLDS:
                waiting.get_nowait()
            waiting.put_nowait(event)

        def hand_over(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(put, event)

        self._open.add(waiting)
        try:
            with self.events.heard_by(hand_over, after=self._after(last_event_id)):
                yield format_sse_event(comment="listening")
                while True:
                    try:
                        async with asyncio.timeout(KEEPALIVE_S):
                            event = await waiting.get()
                    except TimeoutError:
                        yield KEEPALIVE_COMMENT
                        continue
                    if event is _END:
                        break
                    yield format_sse_event(
                        id=f"{self.run}-{event.id}", event=event.name, data_str=as_json(event).decode("ascii")
                    )
                    await asyncio.sleep(0)  # others have their turn, however much there is to tell
        finally:
            self._open.discard(waiting)

    def end(self) -> None:
        """Let every stream come to its end."""
        for waiting in self._open:
            waiting.put_nowait(_END)

    def _after(self, last_event_id: str | None) -> int | None:
        """The number of the last event that the listener has seen of this run; 0: none; None: it asks for none."""
        if not last_event_id:
            return None
        run, _, number = last_event_id.rpartition("-")
        if not number.isdecimal() or not number.isascii() or len(number) > 18:
            return None
        return int(number) if run in {"", self.run} else 0
