"""An update from a keeprate that did not remember what it gave: its journal tells."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from keeprate.attributes.claim import Attributes
from keeprate.catalog import given_marks, open_catalog
from keeprate.catalog.migrations import MIGRATIONS
from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.plugin_api import Channel, Shown
from keeprate.steps.marks import recalling_given
from keeprate.steps.marks.recalling_given import recall_given
from keeprate.steps.session import open_session
from keeprate_xmp.places import PlaceKind, encode
from support.xmp import packet


def sidecar(stars: int, key: str) -> bytes | None:
    ours = 'xmlns:keeprate="urn:keeprate:xmp:1/" keeprate:score="0.9" keeprate:rank="0.9" keeprate:head="keep" '
    ours += f'keeprate:key="{key}" keeprate:wroteRating="{stars}" xmp:Rating="{stars}"'
    return encode(PlaceKind.SIDECAR, packet(attributes=ours))


def attributes(stars: bytes) -> bytes | None:
    return Attributes({"user.baloo.rating": stars, "user.keeprate.wrote": b"abcdef;stars=" + stars}).encoded()


def old_catalog(rows: list[tuple[str, str, str | None, bytes | None, bytes | None, str]]) -> Path:
    """A catalog of before, with these entries (manager, field, content key, before, after, state)."""
    home = locate_home()
    home.catalog_file.parent.mkdir(parents=True, exist_ok=True)
    conn = sqlite3.connect(home.catalog_file)
    MIGRATIONS.apply(Database(conn), stop_before="m004_user_marks")
    conn.execute("INSERT INTO runs (kind, started_at) VALUES ('write', 1)")
    conn.executemany(
        "INSERT INTO journal (run_id, library, path, at, manager, field, content_key, before, after, state) "
        "VALUES (1, 'camera', '/p/a.xmp', 7, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    conn.commit()
    conn.close()
    return home.catalog_file


def stars(*numbers: int) -> set[Shown]:
    return {Shown(Channel.RATING, str(number)) for number in numbers}


def test_everything_that_once_stood_is_remembered_once(root: Path) -> None:
    old_catalog(
        [
            ("xmp", "sidecar", "a", None, sidecar(4, "a"), "done"),
            ("xmp", "sidecar", "a", sidecar(2, "a"), sidecar(5, "a"), "done"),
            ("xmp", "sidecar", "b", None, sidecar(1, "b"), "undone"),
            ("xmp", "sidecar", "c", None, sidecar(1, "c"), "dropped"),
            ("xmp", "sidecar", "d", None, b"of another version", "done"),
            ("kde", "attributes", "e", None, attributes(b"6"), "done"),
            ("uninstalled", "whatever", "f", None, b"?", "done"),
            ("order", "mtime", "a", b"?", b"?", "done"),
        ]
    )
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    with open_session(home) as session:
        assert recall_given(session) == 7 - 1
        assert given_marks.everything(session.catalog) == {"a": stars(2, 4, 5), "b": stars(1), "e": stars(3)}
        assert recall_given(session) == 0
        assert session.catalog.conn.execute("SELECT min(first_at) FROM given_marks").fetchone() == (7,)
        left = session.catalog.conn.execute("SELECT manager FROM journal_to_recall JOIN journal USING (id)").fetchall()
        assert left == [("uninstalled",)], "it can tell when it comes back"


def test_many_entries_and_a_new_catalog(root: Path) -> None:
    count = recalling_given.READ_TOGETHER + 1
    old_catalog([("xmp", "sidecar", f"k{number}", None, sidecar(3, "k"), "done") for number in range(count)])
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    with open_session(home) as session:
        assert recall_given(session) == count == len(given_marks.everything(session.catalog))


def test_a_new_catalog_has_nothing_to_tell(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "new.db") as catalog:
        assert given_marks.to_recall(catalog, ["xmp", "kde"], 10) == []
