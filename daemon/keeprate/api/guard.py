"""Who may ask what: stands before everything that comes in over HTTP.

Who can open the unix socket is the user: nothing more is asked of them. On 127.0.0.1 any program of any user and any
website in the browser can knock, so there a program shows the token (`Authorization: Bearer`) and a browser the cookie
of its session, the name asked for must be ours (else a website could have its own name point at us: DNS rebinding), and
what comes from another site is refused.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keeprate import __version__
from keeprate.api.connections import came_over_unix
from keeprate.api.problems import as_page, refuse
from keeprate.api.sessions import Sessions
from keeprate.api.token import is_token

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "Cache-Control": "no-store",
}
"""Sent with every answer that does not say otherwise."""
LARGEST_BODY = 1 << 20
VERSION_HEADER = "Keeprate-Version"


class Guard:
    """Lets those requests through to `app` that may come in."""

    def __init__(self, app: ASGIApp, token: str, sessions: Sessions, port: int | None) -> None:
        self._app = app
        self._token = token
        self._sessions = sessions
        self._cookie = f"keeprate_{port}"  # browsers tell no ports apart: two daemons must not share it
        self._names = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no websockets are spoken here, and uvicorn offers none
        instead = None if came_over_unix(scope) else self._instead(scope)
        if instead is not None and instead.status_code >= 400:
            instead.headers["Connection"] = "close"  # strangers keep nothing open
        await (instead or self._app)(scope, _limited(receive), _with_headers(send))

    def _instead(self, scope: Scope) -> Response | None:
        """What to answer instead of serving a request from 127.0.0.1; None: it may come in."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self._names or len(headers.getlist("host")) != 1:
            return refuse(403, "This name is not mine.", "Use 127.0.0.1, as `keeprate web` prints it.")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._names:
            return refuse(403, "Another website may not ask me.")
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and not self._opens_a_page(scope):
            return refuse(403, "Another website may not ask me.")
        kept, code = _take_out_code(scope)
        known = self._is_known(headers)
        if code is not None and scope["method"] == "GET":
            session = self._sessions.let_in(code)
            if session is not None or known:
                return self._let_in(scope, kept, session)
        return None if known else _not_allowed(headers)

    @staticmethod
    def _opens_a_page(scope: Scope) -> bool:
        """Somebody follows a link to the page: it shows nothing of itself to where they come from."""
        headers = Headers(scope=scope)
        return scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"

    def _let_in(self, scope: Scope, query: list[tuple[str, str]], session: str | None) -> Response:
        """The way to the same address without the code; the session is a cookie from now on."""
        path = quote("/" + scope["path"].lstrip("/\\"))  # "//elsewhere" would lead elsewhere
        answer = Response(status_code=303, headers={"Location": f"{path}?{urlencode(query)}" if query else path})
        if session is not None:
            answer.set_cookie(self._cookie, session, httponly=True, samesite="strict", path="/")
        return answer

    def _is_known(self, headers: Headers) -> bool:
        kind, _, said = headers.get("authorization", "").partition(" ")
        if kind.casefold() == "bearer":
            return is_token(said.strip(), self._token)
        return any(self._sessions.knows(value) for value in _cookies(headers, self._cookie))


def _take_out_code(scope: Scope) -> tuple[list[tuple[str, str]], str | None]:
    """The query without its `code`, and that."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    shown = next((value for name, value in query if name == "code"), None)
    return [(name, value) for name, value in query if name != "code"], shown


def _cookies(headers: Headers, name: str) -> list[str]:
    """The values of a cookie; a browser may send one more, of the same name, that another program has set."""
    found = []
    for pair in "; ".join(headers.getlist("cookie")).split(";"):
        try:
            cookie = SimpleCookie(pair.strip())
        except CookieError:
            continue
        found += [one.value for key, one in cookie.items() if key == name]
    return found


def _not_allowed(headers: Headers) -> Response:
    refusal = refuse(
        401,
        "You are not let in, or not any more.",
        "`keeprate web --open` opens the page (again); programs show the token.",
        {"WWW-Authenticate": "Bearer"},
    )
    return as_page(refusal) if "text/html" in headers.get("accept", "") else refusal


def _limited(receive: Receive) -> Receive:
    """Read no more of a request than anybody has reason to send; what asks for more answers with 413."""
    total = 0

    async def receive_limited() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > LARGEST_BODY:
            raise HTTPException(413, "The request is too large")
        return message

    return receive_limited


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers[VERSION_HEADER] = __version__
            headers["Date"] = formatdate(time.time(), usegmt=True)
        await send(message)

    return send_with_headers
