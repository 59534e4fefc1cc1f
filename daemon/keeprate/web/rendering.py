"""Templates into HTML. Whatever is put into one is escaped, and made fit to be shown."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def render(template: str, **values: Any) -> str:
    """The page or part that `template` makes of `values`."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=_shown,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.filters |= {"clock": clock, "percent": percent, "segment": segment, "query": query, "number": number}
    return made


def _shown(value: object) -> object:
    """Texts with bytes that are no UTF-8 and control characters (names from strangers) as �."""
    if type(value) is not str:
        return value  # markup is made of such texts, and numbers need nothing
    decoded = value if value.isascii() else os.fsencode(value).decode("utf-8", "replace")
    return _CONTROLS.sub("�", decoded)


def clock(at: float | str | None) -> str:
    """A time (unix seconds, or ISO) as the person's clock shows it: only the time of day if that is today's."""
    if at is None or at == "":
        return "never"
    moment = datetime.fromtimestamp(at) if isinstance(at, float | int) else datetime.fromisoformat(at).astimezone()
    today = moment.date() == datetime.fromtimestamp(time.time()).date()
    return f"{moment:%H:%M}" if today else f"{moment:%Y-%m-%d %H:%M}"


def percent(share: float) -> str:
    return f"{share:.0%}"


def number(count: int) -> str:
    return f"{count:,}"


def segment(text: str) -> str:
    """`text` as one part of an address's path."""
    return quote(os.fsencode(text), safe="")


def query(values: dict[str, Any]) -> str:
    """An address's query; what is None is left out."""
    kept = {name: value for name, value in values.items() if value is not None}
    return urlencode(kept, errors="surrogateescape")
