"""Reading over the api: the answers of `--json`, in parts, and with every name that a file can have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from keeprate.api.client import DaemonClient
from keeprate.api.context import Api, in_turn
from keeprate.catalog import bursts, companions, files, models, problems, scores
from keeprate.errors import BusyError, CatalogError, ConfigError, KeeprateError, UsageError
from keeprate.paths import Home
from keeprate.pictures.technical import TECHNICAL_NAMES, TECHNICAL_VERSION
from keeprate.plugin_api import BurstKind
from keeprate.service.control import Control
from keeprate.steps.heads.listing import by_group, listed, listed_part
from keeprate.steps.session import Session
from support.api import Serving, over_tcp, over_unix, serving
from support.catalogs import add_file
from support.commands import answer
from support.photos import write_photos
from support.waiting import PATIENCE_S, wait_until


def got(here: Serving, path: str) -> Any:
    answered = over_unix(here, "GET", path)
    assert answered.status == 200, answered.body
    assert answered.headers["Content-Type"] == "application/json"
    return answered.json


def test_the_same_as_the_command_line_says(scored: Session, here: Serving) -> None:
    assert got(here, "/photos")["photos"] == answer("list")
    assert got(here, "/photos?all=true&order=asc&groups=true")["photos"] == answer(
        "list", "--all", "--order", "asc", "--groups"
    )
    assert got(here, "/heads") == answer("heads", "list")
    assert got(here, "/heads/keep") == answer("heads", "list")[0]
    first = answer("list", "--top", "1")[0]
    why = answer("why", first["path"])
    assert got(here, f"/photos/{first['content_key']}?nearest=3") == why | {"path": first["path"]}
    assert got(here, f"/photos/{first['content_key']}")["nearest"] == []
    by_api, by_command = got(here, "/status"), answer("status")
    assert by_api["live"] == json.loads(json.dumps(got(here, "/live")))
    for of_daemon in ("live", "jobs"):
        by_api.pop(of_daemon)
        by_command.pop(of_daemon)
    assert by_api == by_command
    assert got(here, "/libraries") == by_command["libraries"]


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("groups", [True, False])
def test_parts_are_those_of_the_whole(scored: Session, *, everything: bool, rising: bool, groups: bool) -> None:
    """With copies, shots whose leader is there, gone, or has no score, and a second library."""
    keys = [photo.content_key for photo in listed(scored, None, None, everything=True)]
    for number, key in enumerate(keys[:4]):
        add_file(scored.catalog, f"/q/{9 - number}.jpg", key, inode=number)
    add_file(scored.catalog, "/p/unscored.jpg", "unscored")
    with scored.catalog.db.atomic():
        companions.join(scored.catalog, keys[3], [keys[1], keys[5]])
        companions.join(scored.catalog, "unscored", [keys[2], keys[6]])
        companions.join(scored.catalog, keys[7], [keys[4]])
        files.mark_gone(scored.catalog, [one.path for one in files.of_photo(scored.catalog, keys[7])])
    whole = listed(scored, None, None, everything=everything)
    assert 3 <= len(whole) < len(keys)
    assert any(photo.other_files for photo in whole)
    if rising:
        whole.reverse()
    if groups:
        before = [photo.content_key for photo in whole]
        group_some(scored, before)
        whole = by_group(scored, whole)
        assert sum(photo.burst is not None for photo in whole) >= 2
        assert [photo.content_key for photo in whole] != before
    for top in (1, 2, 100):
        found = [
            listed_part(scored, None, None, everything=everything, rising=rising, top=top, offset=offset, groups=groups)
            for offset in range(0, len(whole) + top, top)
        ]
        assert [photo for part in found for photo in part.photos] == whole
        assert {part.total for part in found} == {len(whole)}


def group_some(session: Session, keys: list[str]) -> None:
    """The first and the last photo as one group, as the group step would leave them."""
    catalog, zeros = session.catalog, np.zeros(len(TECHNICAL_NAMES), "<f4").tobytes()
    with catalog.db.atomic():
        for key in keys:
            catalog.conn.execute(
                "INSERT OR REPLACE INTO looks (content_key, version, technical, thumbnail, bracketed) "
                "VALUES (?, ?, ?, x'00', 0)",
                (key, TECHNICAL_VERSION, zeros),
            )
        group = (BurstKind.BURST, [keys[-1], keys[0]])
        bursts.store(catalog, "camera", models.active(catalog).id, keys, [group])


def test_the_order_is_the_same_without_reading_everything(scored: Session) -> None:
    ranked = scores.ranked(scored.catalog, "keep", {})
    assert list(scores.order(scored.catalog, "keep")) == [(photo.content_key, photo.library) for photo in ranked]
    assert list(scores.order(scored.catalog, "keep", "nowhere")) == []


@pytest.mark.parametrize(
    "path",
    [
        "/heads/kep", "/photos?head=kep", "/photos?library=no", "/photos/no-such-key", "/photos/no-such-key/thumbnail",
        "/jobs/dance", "/status?head=no", "/labels?head=no", "/nothing", "//elsewhere", "/live/", "//metrics",
        "/photos/%FF", "/photos/..%2F..%2Fetc%2Fpasswd/thumbnail",
    ],
)  # fmt: skip
def test_what_does_not_exist(here: Serving, path: str) -> None:
    answered = over_unix(here, "GET", path)
    assert answered.status in {404, 422}
    assert answered.headers["Content-Type"] == "application/problem+json"
    assert answered.json["title"].endswith(".")


@pytest.mark.parametrize(
    "query", ["top=0", "top=1001", "top=x", "offset=-1", "offset=99999999999", "order=up", "all=2"]
)
def test_what_makes_no_sense(here: Serving, query: str) -> None:
    answered = over_unix(here, "GET", f"/photos?{query}")
    assert (answered.status, answered.json["type"]) == (422, "usage")
    assert query.partition("=")[0] in answered.json["details"][0]


def test_names_that_are_no_text(session: Session, root: Path, here: Serving) -> None:
    name = os.fsdecode(b"\xff\xfe<img src=x>\n\x1b[31m.jpg")
    write_photos(root, range(1))[0].rename(root / name)
    with session.catalog.db.atomic():
        problems.record(session.catalog, "embed", str(root / name), "cut short", library="camera")
    answered = over_unix(here, "GET", "/problems")
    assert answered.body.isascii()
    assert os.fsencode(answered.json[0]["path"]) == os.fsencode(root / name)
    client = DaemonClient.connect(here.home)
    assert client is not None
    assert client.status().problems.list[0].path == str(root / name)


def test_a_catalog_that_is_damaged(scored: Session, here: Serving) -> None:
    catalog = here.home.catalog_file
    scored.catalog.close()
    catalog.with_name("catalog.db-wal").unlink(missing_ok=True)
    catalog.with_name("catalog.db-shm").unlink(missing_ok=True)
    catalog.write_bytes(b"no catalog" * 1000)
    answered = over_unix(here, "GET", "/status")
    assert (answered.status, answered.json["type"]) == (503, "catalog")
    assert answered.json["path"] == str(catalog)
    assert over_unix(here, "GET", "/live").status == 200


def test_a_config_that_makes_no_sense_waits_for_its_reload(here: Serving) -> None:
    here.home.config_file.write_text("[api\n")
    assert [one["name"] for one in over_unix(here, "GET", "/status").json["libraries"]] == ["camera"]


def test_a_hundred_at_once(scored: Session, here: Serving) -> None:
    with ThreadPoolExecutor(100) as many:
        asked = [
            many.submit(over_tcp if number % 2 else over_unix, here, "GET", path)
            for number in range(25)
            for path in ("/status", "/photos", "/live", "/heads/keep")
        ]
        assert {one.result(2 * PATIENCE_S).status for one in asked} == {200}


def test_who_reads_all_of_a_library_waits_for_their_turn(session: Session) -> None:
    """A few at once would need a few times the memory; who asks for less does not wait."""
    within, most = [0], [0]
    go_on = threading.Event()

    @in_turn
    def all_of_it(api: Api) -> str:
        within[0] += 1
        most[0] = max(most[0], within[0])
        go_on.wait(PATIENCE_S)
        within[0] -= 1
        return "read"

    def extend(app: FastAPI, _home: Home, _control: Control) -> None:
        app.add_api_route("/all", all_of_it)

    with serving(session.home, [extend]) as here, ThreadPoolExecutor(8) as many:
        asked = [many.submit(over_unix, here, "GET", "//all") for _ in range(8)]
        wait_until(lambda: within[0] == 1)
        assert over_unix(here, "GET", "/problems").status == 200
        go_on.set()
        assert {one.result(PATIENCE_S).status for one in asked} == {200}
    assert most == [1]


def test_thumbnails_may_be_kept(scored: Session, here: Serving) -> None:
    from keeprate.steps.upkeep.thumbnails import thumbnail_file

    key = listed(scored, None, None, everything=True)[0].content_key
    assert over_unix(here, "GET", f"/photos/{key}/thumbnail").json["type"] == "not-found"
    file = thumbnail_file(here.home, key)
    assert file is not None
    file.parent.mkdir(parents=True)
    file.write_bytes(b"RIFF....WEBP")
    answered = over_unix(here, "GET", f"/photos/{key}/thumbnail")
    assert (answered.status, answered.body, answered.headers["Content-Type"]) == (200, b"RIFF....WEBP", "image/webp")
    assert "immutable" in answered.headers["Cache-Control"]
    assert "no-store" not in answered.headers["Cache-Control"]


def test_the_server_is_light() -> None:
    code = (
        "import sys, keeprate.service.daemon, keeprate.api.server as server\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'scipy', 'pandas', 'pyarrow', 'matplotlib', 'cleanlab', "
        "'pyexiv2', 'httptools', 'uvloop', 'websockets', 'httpx', 'httpx2'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_extension_adds_what_does_not_belong_to_the_api() -> None:
    def add_page(app: FastAPI, home: Home, control: Control) -> None:
        @app.get("/", include_in_schema=False)
        async def page() -> str:
            return f"{home.config_file.name} {control.live().state}"

    with serving(extend=[add_page]) as here:
        assert over_tcp(here, "GET", "//").json == "config.toml idle"
        assert over_tcp(here, "GET", "//", token=False).status == 401


def test_an_address_says_what_can_be_done_with_it(here: Serving) -> None:
    answered = over_unix(here, "DELETE", "/labels")
    assert (answered.status, answered.headers["Allow"]) == (405, "GET, POST")
    assert over_unix(here, "PUT", "/live").headers["Allow"] == "GET"


def test_an_error_ends_a_command_as_without_a_daemon(session: Session) -> None:
    """Commands end with the code that belongs to the error, wherever it was met."""
    errors = {one.slug: one for one in (ConfigError, CatalogError, BusyError, UsageError, KeeprateError)}

    def add_failing(app: FastAPI, home: Home, control: Control) -> None:
        @app.get("/api/v1/failing/{slug}", include_in_schema=False)
        async def failing(slug: str) -> None:
            raise errors[slug]("It failed.", advice="Try again.", path=home.config_file)

    with serving(extend=[add_failing]) as here:
        client = DaemonClient.connect(here.home)
        assert client is not None
        for slug, kind in errors.items():
            with pytest.raises(kind) as caught:
                client._call("GET", f"/failing/{slug}")
            assert type(caught.value) is kind
            assert (caught.value.exit_code, caught.value.path) == (kind.exit_code, here.home.config_file)


def test_the_parts_of_a_listing(scored: Session, root: Path, here: Serving) -> None:
    """`offset` leaves out at the beginning, and nothing else: the parts are the whole."""
    with scored.catalog.db.atomic():
        for number in range(3):
            problems.record(scored.catalog, "embed", str(root / f"{number}.jpg"), "cut short", library="camera")
    said = [key["content_key"] for key in got(here, "/photos?all=true")["photos"]]
    over_unix(
        here, "POST", "/labels",
        {"labels": [{"content_key": key, "head": "keep", "bucket": "delete"} for key in said[:4]]},
    )  # fmt: skip
    for path, of_answer in (
        ("/photos?all=true", lambda found: found["photos"]),
        ("/photos?all=true&groups=true", lambda found: found["photos"]),
        ("/labels?", list), ("/problems?", list),
    ):  # fmt: skip
        whole = of_answer(got(here, path))
        assert len(whole) >= 3, path
        parts = [of_answer(got(here, f"{path}&top=2&offset={offset}")) for offset in range(0, len(whole) + 2, 2)]
        assert [one for part in parts for one in part] == whole, path
        assert of_answer(got(here, f"{path}&offset=1")) == whole[1:], path
