"""What undo says is about places as they ended up, however many runs wrote to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog.journal import Entry
from keeprate.config.load import load_config
from keeprate.plugin_api import UndoOutcome
from keeprate.steps.heads.scoring import score
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.marks.undoing import _Places, undo
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from keeprate.steps.tasks import UndoTask
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos


def test_several_runs_at_the_same_places_are_told_once(marked: Session, root: Path) -> None:
    worker = WorkerWithoutProcess(marked)
    for begin in (0, 20, 40):
        write_photos(root / "later", range(begin, begin + 3))
        scan(marked)
        embed_all(marked, worker)
        score(marked)
        write_all(marked, worker)
    rows = marked.catalog.conn.execute("SELECT manager, path, field FROM journal WHERE state = 'done'").fetchall()
    assert len(rows) > len(set(rows)), "places with several entries"
    told = undo(marked, UndoTask(None))
    assert told.failed == 0
    assert told.restored + told.removed_ours + told.not_ours + told.gone == len(set(rows))
    assert told.restored == len(set(rows)), "nobody but us has been there"


def test_a_photo_that_moved_a_moment_ago_is_found(session: Session, root: Path, tmp_path: Path) -> None:
    config = session.home.config_file
    config.write_text(config.read_text() + '[library.marks.xmp]\nmode = "embed"\nstars = true\nminimum_age_s = 0\n')
    session = replace(session, config=load_config(config))
    photos = write_photos(root / "new", range(6))
    before = [photo.read_bytes() for photo in photos]
    scan(session)
    put_head(session, tmp_path / "head")
    worker = WorkerWithoutProcess(session)
    embed_all(session, worker)
    score(session)
    write_all(session, worker)
    assert all(photo.read_bytes() != data for photo, data in zip(photos, before, strict=True)), "they are marked"
    moved = [photo.rename(root / "keep" / f"moved {photo.name}") for photo in photos]
    told = undo(session, UndoTask(None))
    assert [photo.read_bytes() for photo in moved] == before
    assert (told.restored, told.gone, told.failed) == (6, 0, 0)


def entry(number: int) -> Entry:
    unknown = dict.fromkeys(Entry.__dataclass_fields__)
    return Entry(**unknown | {"id": number, "manager": "m", "path": "/p", "field": "f", "library": "l"})  # type: ignore


@pytest.mark.parametrize(
    ("newest_first", "said"),
    [
        (["not-ours", "restored"], "restored"), (["removed-ours", "not-ours"], "removed-ours"),
        (["restored", "removed-ours"], "removed-ours"), (["gone", "not-ours"], "gone"),
        (["removed-ours", "gone"], "restored"), (["gone", "gone"], "gone"), (["not-ours", "gone"], "not_ours"),
        (["not-ours"], "not_ours"), (["restored", None], "failed"), ([None, None], "failed"),
    ],
)  # fmt: skip
def test_the_last_thing_that_was_done_to_a_place_is_told(newest_first: list[str | None], said: str) -> None:
    places = _Places()
    for number, outcome in enumerate(newest_first):
        places.add(entry(number), [UndoOutcome(outcome)] if outcome else [], None if outcome else "cannot be written")
    told = places.told()
    assert getattr(told, said.replace("-", "_")) == 1
    assert told.restored + told.removed_ours + told.not_ours + told.gone + told.failed == 1
    assert len(told.failures) == told.failed
