"""The page beside the api: how things stand, and photos to look through. It asks the api for everything it does.

Only labels are given here, through the same address as any other program would use: no file is moved or deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, Response

from keeprate.api.context import Api, Context, in_turn
from keeprate.api.problems import NotFoundError
from keeprate.errors import KeeprateError, UsageError
from keeprate.paths import Home
from keeprate.service.control import Control
from keeprate.web.looking import Asked, review_of, status_of
from keeprate.web.rendering import render

STATIC: Final = Path(__file__).parent / "static"
KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}
"""Nothing but our own files, and no script or style within a page: a name from a stranger can start nothing."""


class _Page(APIRoute):
    """An address that a person opens: what is wrong with it is said on a page too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        serve = super().get_route_handler()

        async def served(request: Request) -> Response:
            try:
                return await serve(request)
            except KeeprateError as error:
                return _trouble(request, 404 if isinstance(error, NotFoundError) else 503, error)
            except RequestValidationError:
                advice = "“Review” above begins anew." if request.url.path == "/review" else ""
                return _trouble(request, 422, UsageError("Something in this address makes no sense.", advice=advice))

        return served


def add_page(app: FastAPI, _home: Home, _control: Control) -> None:
    """Add the page to the api's application (`ApiServer(…, extend=[add_page])`)."""
    pages = APIRouter(route_class=_Page)
    for path, answer in (("/", status_page), ("/now", now_part), ("/stands", stands_part), ("/review", review_page)):
        pages.add_api_route(path, answer, methods=["GET"], include_in_schema=False, response_class=HTMLResponse)
    app.include_router(pages)
    app.add_api_route("/static/{name}", static_file, methods=["GET"], include_in_schema=False)


@in_turn
def status_page(api: Api) -> Response:
    """Everything at a glance."""
    with api.session() as session:
        return _html("status.html", page="status", **status_of(session, api.live()))


def now_part(api: Api) -> Response:
    """The part of it that changes while the daemon works: costs nothing to make."""
    return _html("now.html", live=api.live())


@in_turn
def stands_part(api: Api) -> Response:
    """The part of it that changes when the daemon has done something."""
    with api.session() as session:
        return _html("stands.html", **status_of(session, api.live()))


@in_turn
def review_page(
    api: Api,
    head: Annotated[str | None, Query(max_length=200)] = None,
    library: Annotated[str | None, Query(max_length=200)] = None,
    order: Literal["desc", "asc"] = "desc",
    everything: Annotated[bool, Query(alias="all")] = False,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Response:
    """Photos by score, with buttons to say what each of them is."""
    with api.session() as session:
        asked = Asked(head or None, library or None, order, everything, offset)
        return _html("review.html", page="review", review=review_of(session, asked))


async def static_file(name: str) -> Response:
    """The style and the script."""
    file = STATIC / name
    if file.parent != STATIC or file.suffix not in KINDS or not file.is_file():
        raise NotFoundError("There is no such file.")
    # asked for again each time: after an update the page must not run with the script of before
    return Response(file.read_bytes(), media_type=KINDS[file.suffix], headers={"Cache-Control": "no-cache"})


def _trouble(request: Request, status: int, error: KeeprateError) -> Response:
    """What cannot be shown, and why; what the daemon does can be said all the same."""
    api: Context = request.app.state.context
    return _html("trouble.html", status, page="", error=error, live=api.live())


def _html(template: str, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(render(template, **values), status, HEADERS)
