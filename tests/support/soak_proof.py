"""What must be true after a soak: the catalog is what a fresh scan would make, and nothing was invented or harmed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from keeprate.pictures.content_key import content_key
from keeprate.safe_files import TEMPORARY_PREFIX
from support.commands import COMMAND
from support.soak_world import World, expected

HEAD = "keep"


@dataclass(frozen=True, slots=True)
class Catalogued:
    """What a catalog says of files and labels."""

    files: dict[str, tuple[str, str | None]]
    """path → library and content key, of those that are there."""
    labels: dict[str, tuple[str, str]]
    """content key → bucket and source."""
    held: frozenset[str]
    open_marks: int
    standing_marks: int
    problems: tuple[tuple[str, str, str], ...]


def catalogued(home: Path) -> Catalogued:
    with closing(sqlite3.connect(f"file:{home / 'catalog.db'}?mode=ro", uri=True)) as database:
        database.text_factory = os.fsdecode
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        files = database.execute("SELECT path, library, content_key FROM files WHERE gone_at IS NULL").fetchall()
        labels = database.execute(
            "SELECT content_key, bucket, source FROM labels WHERE bucket IS NOT NULL "
            "AND id IN (SELECT max(id) FROM labels WHERE head = ? GROUP BY content_key)",
            (HEAD,),
        ).fetchall()
        held = database.execute("SELECT content_key FROM said_values WHERE held IS NOT NULL").fetchall()
        states = dict(database.execute("SELECT state, count(*) FROM journal GROUP BY state").fetchall())
        problems = database.execute("SELECT step, path, reason FROM problems").fetchall()
    return Catalogued(
        {path: (library, key) for path, library, key in files},
        {key: (bucket, source) for key, bucket, source in labels},
        frozenset(key for (key,) in held),
        states.get("planned", 0),
        states.get("done", 0),
        tuple(problems),
    )


def fresh_scan(home: Path, place: Path) -> Catalogued:
    """What a new home with the same settings finds in the same folders."""
    place.mkdir()
    shutil.copy(home / "config.toml", place / "config.toml")
    done = subprocess.run(
        [*COMMAND, "scan", "--quiet"], env={**os.environ, "KEEPRATE_HOME": str(place)},
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return catalogued(place)


def differences(found: Catalogued, fresh: Catalogued, world: World) -> Iterator[str]:
    """Everything in which the catalog, a fresh scan and the ledger disagree."""
    for path in sorted(found.files.keys() | fresh.files.keys() | {str(path) for path in world.files}):
        key = world.files[Path(path)].photo.key if Path(path) in world.files else None
        if found.files.get(path) != fresh.files.get(path) or fresh.files.get(path, ("", None))[1] != key:
            yield f"{path}: {found.files.get(path)}, a fresh scan says {fresh.files.get(path)}, the ledger {key}"
    for key, photo in world.photos.items():
        if photo.key != key:
            continue  # the number that it took while it was being written
        label = found.labels.get(key)
        may_be = expected(world, photo, found.held)
        where = world.lying(photo) or ("trashed" if photo.thrown_away else "gone")
        if (label[0] if label else None) not in may_be:
            yield f"{key} ({where}) is labelled {label}, and may be {may_be}"
        derived = fresh.labels.get(key)
        placed = any(world.bucket(path) for path in world.lying(photo))
        if placed and (label or ("", ""))[0] != (derived or ("", ""))[0]:
            yield f"{key} ({where}) is labelled {label}, by a fresh scan {derived}"
    for key in found.labels.keys() - world.photos.keys():
        yield f"{key} is labelled {found.labels[key]}, and nobody knows that photo"


def harm(world: World, *, undone: bool) -> Iterator[str]:
    """Photos that are not what the person made of them; once all marks were taken back, to the byte."""
    for path, lying in [
        *world.files.items(),
        *((_in_trash(world, name), one) for name, (_, one) in world.trashed.items()),
    ]:
        data = path.read_bytes()
        if content_key(path) != lying.photo.key:
            yield f"{path} shows another picture"
        lost = [comment for comment in lying.comments if comment not in data]
        if lost:
            yield f"{path} has lost the edits {lost}"
        alone = not (lying.comments or lying.photo.undo_may_miss) and path in world.files
        if undone and alone and data != lying.photo.original:
            yield f"{path} is not as it was ({len(data)} bytes, not {len(lying.photo.original)})"


def _in_trash(world: World, name: str) -> Path:
    return world.trash / "files" / name


def left_over(*folders: Path) -> list[Path]:
    """Temporary files that nobody removed."""
    return [path for folder in folders for path in folder.rglob(f"{TEMPORARY_PREFIX}*")]
