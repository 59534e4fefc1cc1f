"""Every schema there ever was becomes the present one without losing a row, also if that is interrupted."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from keeprate.catalog import open_catalog
from keeprate.catalog.copying import fault_of
from keeprate.catalog.migrations import MIGRATIONS, number_of
from keeprate.config.edit import add_library
from keeprate.errors import CatalogDamagedError, DiskFullError
from support.commands import answer, keeprate, run
from support.damage import damage
from support.small_disks import fill, small_disk

DUMPS = sorted((Path(__file__).parent / "schemas").glob("after-m*.sql"))
STEPS = [one.name for one in MIGRATIONS.pending(Database(memory=True))]
LATEST = number_of(STEPS[-1])
Rows = dict[str, Counter[tuple[object, ...]]]
"""Table → its rows."""


def number(dump: Path) -> int:
    return int(dump.stem[-3:])


def restore(dump: Path, path: Path) -> Path:
    """The catalog of a user whose keeprate is that old, with a file name that is no UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.executescript(dump.read_text("utf-8"))
        conn.execute(
            "INSERT INTO files VALUES (CAST(? AS TEXT), 'camera', 1, 2, 3, 4, 'jpeg1-00bb', 5.0, NULL)",
            (b"/p/\xff.jpg",),
        )
        conn.commit()
    return path


def look(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(path)
    conn.text_factory = bytes
    return conn


def columns_of(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as conn:
        tables = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: [row[1] for row in conn.execute(f"PRAGMA table_info({table})")] for table in tables}


def rows_of(path: Path, columns: dict[str, list[str]]) -> Rows:
    with closing(look(path)) as conn:
        return {
            table: Counter(tuple(row) for row in conn.execute(f"SELECT {', '.join(names)} FROM {table}"))
            for table, names in columns.items()
        }


def shape_of(path: Path) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as conn:
        found = conn.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(kind, name, " ".join(sql.split())) for kind, name, sql in found}


def assert_nothing_lost(path: Path, columns: dict[str, list[str]], before: Rows) -> None:
    """Every row of every table is there, in the columns that there were."""
    after = rows_of(path, columns)
    for table, rows in before.items():
        assert rows <= after[table], f"{table} lost {rows - after[table]}"
        if table != MIGRATIONS.migrations_table:
            assert rows == after[table]


def test_every_schema_is_here_and_every_table_has_rows() -> None:
    assert [number(dump) for dump in DUMPS] == list(range(2, LATEST + 1)), "run tests/catalog/schemas/write.py"


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_no_row_is_lost(dump: Path, tmp_path: Path) -> None:
    path = restore(dump, tmp_path / "old" / "catalog.db")
    columns = columns_of(path)
    before = rows_of(path, columns)
    assert all(before.values()), "a table without rows proves nothing"
    with open_catalog(path) as catalog:
        assert MIGRATIONS.pending(catalog.db) == []
        assert catalog.conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert catalog.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    assert_nothing_lost(path, columns, before)
    open_catalog(tmp_path / "new.db").close()
    assert shape_of(path) == shape_of(tmp_path / "new.db")

    copies = list((tmp_path / "old" / "backups").glob("*"))
    if number(dump) == LATEST:
        assert copies == [], "nothing was migrated"
    else:
        assert [copy.name for copy in copies] == [f"catalog-before-{number(dump) + 1}.db"]
        assert fault_of(copies[0]) is None
        with closing(sqlite3.connect(f"{copies[0].as_uri()}?immutable=1", uri=True)):
            assert columns_of(copies[0]) == columns
            assert rows_of(copies[0], columns) == before


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_commands_work_on_it(dump: Path, home: Path, tmp_path: Path) -> None:
    root = tmp_path / "Photos"
    root.mkdir()
    keeprate("init", root, "--name", "camera")
    (home / "keeprate" / "catalog.db").unlink(missing_ok=True)
    restore(dump, home / "keeprate" / "catalog.db")
    status = answer("status")
    assert status["heads"][0]["version"] == 1
    assert status["model"]["cached"] == 2
    assert status["problems"]["count"] == 1


def test_journal_entries_of_before_user_marks_are_recalled(tmp_path: Path) -> None:
    path = restore(DUMPS[0], tmp_path / "catalog.db")
    with open_catalog(path) as catalog:
        found = catalog.conn.execute("SELECT id FROM journal_to_recall ORDER BY id").fetchall()
    assert found == [(1,), (7,)]


KILLED = """
import os, pathlib, signal, sqlite3, sys
from keeprate.catalog import open_catalog
connect = sqlite3.connect
def watched(*arguments, **keywords):
    conn = connect(*arguments, **keywords)
    conn.set_trace_callback(count)
    return conn
def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sqlite3.connect = watched
for left in range(int(sys.argv[2]), 10_000, int(sys.argv[3])):
    path = pathlib.Path(sys.argv[1]) / str(left) / "catalog.db"
    path.parent.mkdir()
    with connect(sys.argv[4]) as whole, connect(path) as mine:
        whole.backup(mine)
    child = os.fork()
    if child == 0:
        open_catalog(path).close()
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
"""


@pytest.mark.slow
@pytest.mark.parametrize("dump", [None, DUMPS[0], DUMPS[-2]], ids=["a new one", DUMPS[0].stem, DUMPS[-2].stem])
def test_killed_at_any_statement_it_is_the_old_or_the_new_one(dump: Path | None, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    sqlite3.connect(old).close() if dump is None else restore(dump, old)
    columns = columns_of(old)
    before = rows_of(old, columns)
    places = tmp_path / "killed"
    places.mkdir()
    every = 1 if dump == DUMPS[-2] else 3
    done = subprocess.run(
        [sys.executable, "-c", KILLED, places, "1", str(every), old], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    killed = sorted(places.iterdir(), key=lambda place: int(place.name))[:-1]
    assert len(killed) > 10
    reached = set()
    for place in killed:
        path = place / "catalog.db"
        with closing(sqlite3.connect(path)) as conn:
            applied = [one.name for one in MIGRATIONS.applied(Database(conn, execute_plugins=False))]
        assert applied == STEPS[: len(applied)]
        reached.add(len(applied))
        for copy in (place / "backups").glob("*.db"):
            assert fault_of(copy) is None
        open_catalog(path).close()
        assert_nothing_lost(path, columns, before)
    assert len(reached) > 1, "some were killed before a step was done, others after"


def test_many_processes_may_open_an_old_one_at_once(tmp_path: Path) -> None:
    path = restore(DUMPS[0], tmp_path / "catalog.db")
    columns = columns_of(path)
    before = rows_of(path, columns)
    code = (
        "import sys, pathlib, time; from keeprate.catalog import open_catalog\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "open_catalog(pathlib.Path(sys.argv[1])).close()\n"
    )
    opening = [
        subprocess.Popen([sys.executable, "-c", code, path, str(time.time() + 1.5)], stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    errors = [process.communicate()[1] for process in opening]
    assert [process.returncode for process in opening] == [0] * 5, errors
    assert_nothing_lost(path, columns, before)
    assert [copy.name for copy in (tmp_path / "backups").iterdir()] == ["catalog-before-3.db"]


def test_the_first_copy_stays_and_there_are_never_more_than_two(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    for photos in (3, 2, 1):
        path.unlink(missing_ok=True)
        restore(DUMPS[0], path)
        with closing(sqlite3.connect(path)) as conn:
            rows = [(f"k{number}",) for number in range(photos)]
            conn.executemany("INSERT INTO photos (content_key, first_seen, first_folder) VALUES (?, 0, '')", rows)
            conn.commit()
        open_catalog(path).close()
    found = {}
    for copy in (tmp_path / "backups").iterdir():
        with closing(sqlite3.connect(copy)) as conn:
            found[copy.name] = conn.execute("SELECT count(*) FROM photos WHERE first_folder = ''").fetchone()[0]
    assert found == {"catalog-before-3.db": 3, "catalog-before-3-again.db": 1}


def test_a_damaged_one_is_not_migrated(tmp_path: Path) -> None:
    path = restore(DUMPS[-2], tmp_path / "catalog.db")
    damage(path)
    before = path.read_bytes()
    with pytest.raises(CatalogDamagedError):
        open_catalog(path)
    assert path.read_bytes() == before
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize("full", [False, True])
def test_without_room_for_a_copy_it_is_not_migrated(full: bool, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        path = restore(DUMPS[-2], small / "catalog.db")
        shape = shape_of(path)
        filler = fill(small) if full else small / "none"
        with pytest.raises(DiskFullError):
            open_catalog(path)
        filler.unlink(missing_ok=True)
        assert shape_of(path) == shape
        assert list(small.rglob("catalog-before*")) == []


@pytest.fixture
def newer(home: Path, tmp_path: Path) -> Path:
    """The catalog of a user who has gone back to this keeprate from a newer one."""
    (tmp_path / "Photos").mkdir()
    add_library(home / "keeprate" / "config.toml", {"name": "camera", "root": str(tmp_path / "Photos")})
    path = home / "keeprate" / "catalog.db"
    open_catalog(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('keeprate', 'm999_future', 'x')"
        )
        conn.commit()
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "status", "list", "groups", "why x.jpg", "sync", "scan", "embed", "train", "score", "write", "undo --all",
        "heads history", "heads rollback --head keep", "labels list", "labels export x.csv", "labels audit",
        "model list", "model activate builtin", "embeddings export x.parquet", "evaluate --head keep", "run",
        "classify --head keep --src . --dest out", "labels forget x.jpg", "labels held", "labels ignore --all",
        "heads list",
    ],
)  # fmt: skip
def test_a_newer_catalog_is_refused_in_one_sentence(command: str, newer: Path) -> None:
    before = newer.read_bytes()
    done = run(*command.split())
    assert "Traceback" not in done.err
    expected = 65 if command == "run" else 1  # 65: systemd shall not start it again and again
    assert (done.code, done.err.count("written by a newer keeprate")) == (expected, 1), done.err + done.out
    assert newer.read_bytes() == before
    assert not (newer.parent / "backups").exists()
