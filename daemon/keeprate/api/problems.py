"""What goes wrong, as `application/problem+json` (RFC 9457): the same sentence and advice as on the command line."""

from __future__ import annotations

import html
import json
import logging
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match

from keeprate.errors import KeeprateError, UsageError
from keeprate.steps.labels.saying import StatementsError

log = logging.getLogger("keeprate")

MEDIA_TYPE = "application/problem+json"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_STATUS_OF = {"usage": 400, "not-found": 404, "busy": 409, "not-enough-labels": 409, "not-trainable": 409}
"""Slug → HTTP status; what is not named here is no fault of the request: 503."""
_SLUG_OF = {
    400: "usage",
    401: "not-allowed",
    403: "not-allowed",
    404: "unknown-address",
    405: "unknown-address",
    413: "usage",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not served."""

    type: str
    """The kind, for programs; docs/messages.md has a section on each."""
    title: str
    """What happened, in one sentence."""
    status: int
    advice: str = ""
    """What to do about it, in one sentence."""
    path: str | None = None
    """The file or folder concerned."""
    details: tuple[str, ...] = ()
    """What exactly is wrong with the request, one sentence each."""


class NotFoundError(UsageError):
    """The request names a head, photo, job … that does not exist."""

    slug = "not-found"


def as_json(value: Any) -> bytes:
    """What `--json` prints, on one line: ASCII, so that names that are no UTF-8 are carried as their escapes."""
    return json.dumps(value, default=_plain, separators=(",", ":")).encode("ascii")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


class Answer(Response):
    """A dataclass, or several, as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return as_json(content)


class RefusalAnswer(Answer):
    """A problem, with its status."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Refusal, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem, problem.status, headers)
        self.problem = problem


def problem_of(error: KeeprateError) -> Refusal:
    details = error.details if isinstance(error, StatementsError) else ()
    status = 409 if details else _STATUS_OF.get(error.slug, 503)
    path = None if error.path is None else str(error.path)
    return Refusal(error.slug, error.what, status, error.advice, path, details)


def refuse(status: int, what: str, advice: str = "", headers: dict[str, str] | None = None) -> RefusalAnswer:
    """A refusal that comes of no KeeprateError."""
    return RefusalAnswer(Refusal(_SLUG_OF.get(status, "failed"), what, status, advice), headers)


def as_page(refusal: RefusalAnswer) -> Response:
    """The same for a person whom the page does not know yet: without its style, which is not for them either."""
    said = [f"<p>{html.escape(text)}</p>" for text in (refusal.problem.title, refusal.problem.advice) if text]
    kept = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<title>keeprate</title><h1>keeprate</h1>{''.join(said)}",
        refusal.status_code,
        kept,
    )


def tell_problems(app: FastAPI) -> None:
    """Answer every error of `app` with a problem."""
    app.add_exception_handler(KeeprateError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_anything)


def _of_ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, KeeprateError)  # noqa: S101 (registered for these)
    return RefusalAnswer(problem_of(error))


def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = tuple(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:20])
    return RefusalAnswer(Refusal("usage", "The request makes no sense.", 422, details=details))


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(method for method in _METHODS if _is_served(request, method))
    what = {404: "There is no such address.", 405: "That cannot be done with this address."}
    return refuse(error.status_code, what.get(error.status_code, f"{error.detail}."), headers=headers)


def _is_served(request: Request, method: str) -> bool:
    """Whether the address takes `method`; the framework knows only of the first of several routes at one address."""
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def _of_anything(_: Request, error: Exception) -> Response:
    log.error("a request could not be served: %s: %s", type(error).__name__, error)
    return refuse(500, "Something went wrong that should not.", "The daemon's log says more: `keeprate logs`.")
