"""The api's description of itself (OpenAPI): problems where FastAPI supposes its own, an example with every schema."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from keeprate.api.problems import MEDIA_TYPE, Refusal

REFUSALS = {
    400: "It makes no sense.",
    401: "Over 127.0.0.1: the token, or the cookie of an open page, is missing or wrong.",
    403: "Over 127.0.0.1: another website asks, or for what only the unix socket gives.",
    404: "Something that it names does not exist.",
    409: "It does not fit to what is there: somebody else is at work, or a label is of no photo.",
    413: "It is too large.",
    422: "A value in it makes no sense.",
    500: "A mistake of keeprate's.",
    503: "The catalog or the config cannot be used.",
}
_OWN = ("HTTPValidationError", "ValidationError")
"""What FastAPI would answer to a request that makes no sense."""


def describe(app: FastAPI) -> None:
    """Let `app` describe itself at its `openapi_url`; made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _made(app: FastAPI) -> dict[str, Any]:
    from keeprate.api.examples import examples

    made = get_openapi(
        title=app.title, version=app.version, routes=app.routes,
        description="What `keeprate run` can be asked. Over the unix socket nothing more is needed; over 127.0.0.1 the "
        "token. Text that is no UTF-8 (odd file names) comes as lone surrogates, as Python has it.",
    )  # fmt: skip
    schemas = made["components"]["schemas"]
    for name in _OWN:
        schemas.pop(name, None)
    schemas["Refusal"] = TypeAdapter(Refusal).json_schema(ref_template="#/components/schemas/{model}")
    for name, example in examples().items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    answer = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for operations in made["paths"].values():
        for operation in operations.values():
            for status, why in REFUSALS.items():
                operation["responses"][str(status)] = {"description": why, "content": answer}
    made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}, {}]
    return made
