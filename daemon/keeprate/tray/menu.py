"""pystray's menu from the lines of a state.

Items of pystray cannot be changed, so the menu is one callable that makes them anew from the lines that are current
whenever pystray asks; it asks when the menu is updated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from keeprate.tray.state import SEPARATOR, Action, Line


def make_menu(pystray: Any, lines: Callable[[], Iterable[Line]], act: Callable[[Line], None]) -> Any:
    """A menu that shows what `lines()` returns at the time; `act` is called with the line that is chosen."""

    def item(line: Line) -> Any:
        if line is SEPARATOR:
            return pystray.Menu.SEPARATOR
        text = _escaped(line.text)
        if line.lines:
            return pystray.MenuItem(text, pystray.Menu(*map(item, line.lines)))
        return pystray.MenuItem(
            text, lambda *_: act(line), default=line.default, enabled=isinstance(line.action, Action)
        )

    return pystray.Menu(lambda: tuple(map(item, lines())))


def _escaped(text: str) -> str:
    """Names are somebody else's: bytes that are no UTF-8 would raise in GTK."""
    return text.encode("utf-8", "replace").decode("utf-8")
