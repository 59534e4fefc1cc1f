"""The application behind both sockets."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from keeprate import __version__
from keeprate.api import acting, looking, metrics
from keeprate.api.context import Context
from keeprate.api.description import describe
from keeprate.api.problems import tell_problems

PREFIX: Final = "/api/v1"


def make_app(context: Context, *, with_metrics: bool) -> FastAPI:
    """The api; whoever extends it adds routes outside of `PREFIX`."""
    app = FastAPI(
        title="keeprate",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # the usual pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    tell_problems(app)
    describe(app)
    app.include_router(looking.router, prefix=PREFIX)
    app.include_router(acting.router, prefix=PREFIX)
    if with_metrics:
        app.include_router(metrics.router)
    return app
