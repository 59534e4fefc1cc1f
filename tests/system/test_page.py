"""The page in a real browser: what is clicked and typed on it, what it follows by itself, what it never does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeprate.api.client import DaemonClient
from keeprate.api.server import ApiServer
from keeprate.catalog import labels
from keeprate.catalog.connection import open_catalog
from keeprate.config.workspace import config_of
from keeprate.paths import locate_home
from keeprate.service.control import JobStatus
from keeprate.web.page import add_page
from support.api import Serving, free_port
from support.browser import Visit, browser, visit
from support.page import SCRIPT_NAME, make_library, page_served
from support.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "camera"


@pytest.fixture
def served(root: Path, tmp_path: Path) -> Iterator[Serving]:
    make_library(root, tmp_path / "elsewhere")
    with page_served() as serving:
        yield serving


def url_of(served: Serving) -> str:
    client = DaemonClient.connect(served.home)
    assert client is not None
    with client:
        url = client.page_url()
    assert url is not None
    return url


def said(served: Serving) -> dict[str, str | None]:
    """Content key → bucket, of every label that counts; all were given on the page."""
    with open_catalog(served.home.catalog_file) as catalog:
        found = labels.current(catalog, "keep")
    assert {label.source for label in found.values()} <= {"web"}
    return {key: label.bucket for key, label in found.items()}


def files_in(root: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(f"{folder}/{name}")
            found[f"{folder}/{name}"] = (status.st_ino, status.st_mtime_ns)
    return found


def keys_of(visited: Visit) -> list[str]:
    return [str(card.get_attribute("data-key")) for card in visited.page.locator(".photo").all()]


def open_review(visited: Visit) -> None:
    visited.page.click("nav a:text('Review')")
    visited.page.wait_for_selector(".photo")


def test_photos_are_looked_through_by_keys(served: Serving, started: Browser, root: Path) -> None:
    before = files_in(root)
    with visit(started, url_of(served)) as visited:
        open_review(visited)
        page, (first, second, third, *_) = visited.page, keys_of(visited)
        page.keyboard.press("ArrowRight")  # the first photo is entered
        page.keyboard.press("k")
        page.wait_for_selector("#message:text('Noted: keep.')")
        page.keyboard.press("d")
        page.wait_for_selector("#message:text('Noted: delete.')")
        assert page.locator(".photo:focus").get_attribute("data-key") == third
        assert said(served) == {first: "keep", second: "delete"}
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("w")
        page.wait_for_selector("#message:text('Taken back.')")
        assert said(served) == {second: "delete"}
        page.keyboard.press("u")
        page.wait_for_selector("#message:text('Undone.')")
        assert said(served) == {first: "keep", second: "delete"}
        page.keyboard.press("u")
        wait_until(lambda: page.get_attribute(f'[data-key="{second}"]', "data-label") == "")
        wait_until(lambda: said(served) == {first: "keep"})
        page.reload()
        assert first not in keys_of(visited)
        page.check("input[name=all]")
        page.click("button:text('Show')")
        assert page.get_attribute(f'[data-key="{first}"]', "data-label") == "keep"
        assert page.get_attribute(f'[data-key="{first}"] [data-bucket=keep]', "aria-pressed") == "true"
        assert (visited.errors, visited.elsewhere) == ([], [])
    assert files_in(root) == before


def test_photos_are_looked_through_by_buttons(served: Serving, started: Browser) -> None:
    with visit(started, url_of(served)) as visited:
        open_review(visited)
        page, (first, *_) = visited.page, keys_of(visited)
        card = page.locator(f'[data-key="{first}"]')
        card.locator("[data-bucket=delete]").click()
        page.wait_for_selector("#message:text('Noted: delete.')")
        assert said(served) == {first: "delete"}
        card.locator("[data-withdraw]").click()
        page.wait_for_selector("#message:text('Taken back.')")
        assert said(served) == {}
        page.click("#undo")
        page.wait_for_selector("#message:text('Undone.')")
        assert said(served) == {first: "delete"}
        assert page.locator("#undo").is_enabled()
        assert visited.errors == []


def test_what_the_daemon_refuses_is_said_and_not_shown(served: Serving, started: Browser) -> None:
    with visit(started, url_of(served)) as visited:
        open_review(visited)
        config = served.home.config_file
        config.write_text(f'{config.read_text()}\n[library.heads.beauty]\nbuckets = {{ good = "good", bad = "bad" }}\n')
        served.control.config = config_of(served.home)
        visited.page.keyboard.press("k")
        wait_until(lambda: "There is no head called 'keep'." in visited.page.inner_text("#message"))
        assert visited.page.locator(".photo[data-label=keep]").count() == 0
        served.server.stop()
        visited.page.keyboard.press("d")
        visited.page.wait_for_selector("#message:text('The daemon does not answer.')")


def test_a_photo_without_a_thumbnail_says_so(served: Serving, started: Browser) -> None:
    shutil.rmtree(served.home.thumbnails_dir)
    with visit(started, url_of(served)) as visited:
        open_review(visited)
        visited.page.wait_for_selector(".photo .missing:text('No thumbnail yet')")
        visited.page.keyboard.press("k")
        visited.page.wait_for_selector("#message:text('Noted: keep.')")
        assert all("404" in error for error in visited.errors)


def test_names_from_strangers_start_nothing(served: Serving, started: Browser) -> None:
    with visit(started, url_of(served)) as visited:
        open_review(visited)
        page = visited.page
        assert page.locator(f".name:text-is('{SCRIPT_NAME}')").count() == 1
        assert page.locator("img[onerror]").count() == 0
        there = "[...document.querySelectorAll('.photo img')].every(one => one.complete && one.naturalWidth > 0)"
        wait_until(lambda: page.evaluate(there) is True)  # `wait_for_function` would need a laxer policy
        # even a script that got onto the page could not run
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=/nowhere onerror=\"window.ran = 1\">')")
        wait_until(lambda: page.evaluate("document.body.lastElementChild.complete") is True)
        assert page.evaluate("window.ran") is None
        assert any("Content Security Policy" in error for error in visited.errors)
        assert not [error for error in visited.errors if "dialog" in error]


def test_status_follows_what_happens(served: Serving, started: Browser) -> None:
    with visit(started, url_of(served)) as visited:
        page = visited.page
        assert "code" not in page.url
        page.wait_for_selector("text=Nothing to do.")
        page.focus("#run-embed")
        job = JobStatus("embed", "Embed new photos", "running", "There are 3 new photos.")
        served.control.said = replace(
            served.control.said, state="busy", sentence="Embedding.", jobs=(job, *served.control.said.jobs[2:])
        )
        served.control.events.tell("job.started", "Embedding.", job="embed")
        page.wait_for_selector("text=There are 3 new photos.")
        assert page.locator("#run-embed").is_disabled()
        page.focus("#rest-embed")
        served.control.said = replace(served.control.said, state="idle", sentence="All done.")
        served.control.events.tell("job.finished", "Done.", job="embed")
        page.wait_for_selector("text=All done.")
        assert page.evaluate("document.activeElement.id") == "rest-embed"
        assert (visited.errors, visited.elsewhere) == ([], [])


def test_jobs_are_asked_for(served: Serving, started: Browser) -> None:
    with visit(started, url_of(served)) as visited:
        page = visited.page
        page.click("#run-retrain")
        page.wait_for_selector("#message:text('Asked for.')")
        page.click("#rest-backup")
        page.click("#pause-hour")
        page.click("#resume-all")
        page.wait_for_selector("#pause-all")
        wait_until(lambda: len(served.control.asked) == 4)
        run, rest, pause, resume = served.control.asked
        assert run[:2] == ("run_job", "retrain")
        assert rest == ("pause", "backup", None)
        assert pause[:2] == ("pause", None)
        assert isinstance(pause[2], float)
        assert resume == ("resume", None)
        assert visited.errors == []


def test_without_a_code_the_browser_sees_how_to_get_one(served: Serving, started: Browser) -> None:
    front = url_of(served).partition("?")[0]
    for address in (front, f"{front}?code={'x' * 32}"):
        with visit(started, address) as visited:
            assert "`keeprate web --open` opens the page (again)" in visited.page.inner_text("body")
            assert visited.page.locator("script, nav").count() == 0


def test_after_a_restart_an_open_page_says_what_to_do(root: Path, tmp_path: Path, started: Browser) -> None:
    make_library(root, tmp_path / "elsewhere")
    config = locate_home().config_file
    config.write_text(f"{config.read_text()}\n[api]\nport = {free_port()}\n")
    with page_served() as served, visit(started, url_of(served)) as visited:
        visited.page.wait_for_selector("text=Nothing to do.")
        served.server.stop()
        visited.page.wait_for_selector("#message:text('The daemon does not answer')")
        again = ApiServer(served.home, served.control, extend=[add_page])
        again.start()
        try:
            visited.page.wait_for_selector("#message:text('keeprate web --open')")
        finally:
            again.stop()


def test_it_can_be_read_on_a_phone_and_in_the_dark(served: Serving, started: Browser, tmp_path: Path) -> None:
    with visit(started, url_of(served), width=380, height=800, scheme="dark") as visited:
        page = visited.page
        for name in ("status", "review"):
            if name == "review":
                open_review(visited)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == "rgb(22, 24, 26)"
        # everything can be reached by the keyboard, and says what it is
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, a, input, select')].filter("
            "one => !(one.textContent.trim() || one.ariaLabel || one.closest('label'))).length"
        )
        assert unnamed == 0
