"""The page as a program sees it: what it says, what it escapes, who may see it. tests/system has it in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path

import pytest

from keeprate.api.token import token
from keeprate.service.control import JobStatus
from keeprate.steps.session import Progress
from keeprate.web.looking import buckets_with_keys
from keeprate.web.rendering import clock, render, segment
from support.api import Serving
from support.page import SCRIPT_NAME, make_library, page_served
from support.waiting import PATIENCE_S


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    make_library(tmp_path / "camera", tmp_path / "elsewhere")
    with page_served() as serving:
        yield serving


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: dict[str, str]
    text: str


def get(served: Serving, address: str, *, with_token: bool = True) -> Got:
    assert served.server.url is not None
    connection = HTTPConnection(served.server.url.removeprefix("http://"), timeout=PATIENCE_S)
    try:
        headers = {"Authorization": f"Bearer {token(served.home)}"} if with_token else {}
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, given, answer.read().decode("utf-8", "replace"))
    finally:
        connection.close()


class Elements(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_the_status_page(served: Serving) -> None:
    got = get(served, "/")
    assert (got.status, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for said in ("Idle.", "Look at all folders", "camera", "version 1", "made for a test", "Nothing to do."):
        assert said in got.text
    elements = Elements(got.text)
    posts = {button["data-post"] for button in elements.all("button")}
    assert {"/api/v1/pause", "/api/v1/jobs/embed/run", "/api/v1/jobs/embed/pause"} <= posts
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_but_our_own_script_may_run(served: Serving) -> None:
    for address in ("/", "/review"):
        got = get(served, address)
        policy = got.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        elements = Elements(got.text)
        assert elements.all("script") == [{"src": "/static/page.js", "defer": None}]
        for tag, attributes in elements.found:
            assert tag != "style"
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            for name in ("src", "href", "action"):
                assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)


def test_without_the_token_there_is_nothing(served: Serving) -> None:
    for address in ("/", "/now", "/stands", "/review", "/static/page.js"):
        assert get(served, address, with_token=False).status == 401


def test_photos_by_score(served: Serving) -> None:
    got = get(served, "/review")
    cards = [one for one in Elements(got.text).all("li") if one.get("class") == "photo"]
    scores = [int(re.findall(r"(\d+)%$", str(card["aria-label"]))[0]) for card in cards]
    assert len(cards) == 8
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 90 > 10 > scores[-1]
    reverse = [one for one in Elements(get(served, "/review?order=asc").text).all("li") if one.get("class") == "photo"]
    assert [one["data-key"] for one in reverse] == [one["data-key"] for one in cards][::-1]
    part = [one for one in Elements(get(served, "/review?offset=6").text).all("li") if one.get("class") == "photo"]
    assert [one["data-key"] for one in part] == [one["data-key"] for one in cards][6:]
    for image in Elements(got.text).all("img"):
        assert str(image["src"]).startswith("/api/v1/photos/")
    assert get(served, str(Elements(got.text).all("img")[0]["src"])).headers["content-type"] == "image/webp"


def test_names_from_strangers_are_only_text(served: Serving) -> None:
    got = get(served, "/review")
    assert SCRIPT_NAME not in got.text
    assert "&lt;img src=x onerror=alert(1)&gt;.jpg" in got.text
    assert "latin-\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[31m.jpg" in got.text
    assert "\x1b" not in got.text


def test_what_does_not_exist_is_said(served: Serving) -> None:
    for address, said in (
        ("/review?head=beauty", "There is no head called &#39;beauty&#39;."),
        ("/review?library=holidays", "There is no library called &#39;holidays&#39;."),
        ("/review?head=%3Cscript%3E", "There is no head called &#39;&lt;script&gt;&#39;."),
    ):
        got = get(served, address)
        assert (got.status, said in got.text) == (404, True), got.text
    for address in ("/review?order=sideways", "/review?offset=99999999999", "/review?offset=-1"):
        got = get(served, address)
        assert (got.status, got.headers["content-type"]) == (422, "text/html; charset=utf-8")
        assert "Something in this address makes no sense." in got.text
    beyond = get(served, "/review?offset=6000")
    assert "There are only 8." in beyond.text
    assert [one["href"] for one in Elements(beyond.text).all("a") if one.get("id")] == ["/review?order=desc"]
    for name in ("nothing.js", "..%2Fpage.py", "%2e%2e/page.py", "page.css%00", ""):
        assert get(served, f"/static/{name}").status in (404, 400), name


def test_a_damaged_catalog_leaves_what_the_daemon_does(served: Serving) -> None:
    served.home.catalog_file.write_bytes(b"no catalog" * 1000)
    got = get(served, "/")
    assert got.status == 503
    assert str(served.home.catalog_file) in got.text
    assert "Idle." in got.text
    assert get(served, "/now").status == 200


def test_what_goes_on_is_shown(served: Serving) -> None:
    jobs = (
        JobStatus("embed", "Embed <b>photos</b>", "running", "There are new photos.", 1.0, 2.0, "5 embedded.", True),
        JobStatus("backup", "Back up", "paused", "You paused it.", paused_until=None),
    )
    served.control.said = replace(
        served.control.said, state="paused", sentence="Resting.", attention=("The disk is full.",),
        progress=Progress("embed", 1234, 5000, "DSC <1>.jpg"), jobs=jobs,
    )  # fmt: skip
    text = get(served, "/now").text
    for said in (
        "Embed &lt;b&gt;photos&lt;/b&gt;", "5 embedded.", "The disk is full.", "1,234 of 5,000", "DSC &lt;1&gt;.jpg",
        "until you resume",
    ):  # fmt: skip
        assert said in text
    posts = {one.get("data-post"): one for one in Elements(text).all("button")}
    assert {"/api/v1/resume", "/api/v1/jobs/backup/resume"} <= posts.keys()
    assert "disabled" in posts["/api/v1/jobs/embed/run"]
    assert "disabled" not in posts["/api/v1/jobs/backup/run"]


def test_no_library_yet(home: Path) -> None:
    with page_served() as served:
        assert "keeprate init ~/Pictures" in get(served, "/").text
        assert "Nothing to show" in get(served, "/review").text


def test_the_description_of_the_api_leaves_the_page_out(served: Serving) -> None:
    described = json.loads(get(served, "/api/v1/openapi.json").text)
    assert all(path.startswith("/api/v1") for path in described["paths"])


def test_the_page_listens_to_every_event() -> None:
    root = Path(__file__).resolve().parents[2]
    known = set(re.findall(r"(?m)^\| `(\w+\.\w+)`", (root / "docs/reference/events.md").read_text()))
    script = (root / "daemon/keeprate/web/static/page.js").read_text()
    assert set(re.findall(r'"([a-z]+\.[a-z_]+)"', script)) == known


def test_buckets_have_keys_of_their_own() -> None:
    def keys(*names: str) -> list[str]:
        return [bucket.key for bucket in buckets_with_keys(names)]

    assert keys("keep", "delete") == ["k", "d"]
    assert keys("positive", "pending", "Unknown", "wrong", "élan") == ["p", "2", "3", "4", "5"]
    assert keys(*"abcdefghi", "also") == [*"abcdefghi", ""]


def test_filters() -> None:
    assert clock(None) == "never"
    assert clock(0.0).startswith("19")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d", clock("2025-05-04T03:02:01+00:00"))
    assert segment("a/b?c\udce9") == "a%2Fb%3Fc%E9"
    with pytest.raises(Exception, match="undefined"):
        render("trouble.html", page="")
