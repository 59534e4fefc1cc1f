"""Debian's chromium, driven by playwright; it downloads nothing and knows nobody but us."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
"""Without a sandbox: the tests may run as root."""


@dataclass(slots=True)
class Visit:
    """A page in the browser, and what should not have happened on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    """What the console or the page complained about, dialogs included."""
    elsewhere: list[str] = field(default_factory=list)
    """Addresses of others that were asked for."""


def chromium() -> str:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs chromium")
    return path


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """A browser whose profile lies in `home`."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=chromium(), args=ARGUMENTS, env={**os.environ, "HOME": str(home)}
            )
        except sync_api.Error as error:  # what it lacks is no fault of the page's
            pytest.skip(f"chromium does not start here: {error.message[:300]}")
        try:
            yield started
        finally:
            started.close()


@contextmanager
def visit(
    started: Browser, url: str, *, width: int = 1100, height: int = 900, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Visit]:
    """The page at `url`, in a profile of its own."""
    context = started.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(1000 * PATIENCE_S)
    page = context.new_page()
    found = Visit(page)
    origin = url.partition("/?")[0]

    def refuse(dialog: Dialog) -> None:
        found.errors.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", lambda said: found.errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("dialog", refuse)
    page.on("request", lambda one: None if one.url.startswith(origin) else found.elsewhere.append(one.url))
    failed: list[str] = []  # not an error by itself: whoever leaves a page breaks off what it was loading
    page.on("requestfailed", lambda one: failed.append(f"{one.url}: {one.failure}"))
    page.goto(url)
    try:
        yield found
    except BaseException as failure:
        failure.add_note(f"the browser said: {found.errors}; not loaded: {failed}")
        raise
    finally:
        context.close()
