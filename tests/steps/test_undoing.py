"""What undo says is about places as they ended up, however many runs wrote to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.catalog.journal import Entry
from keeprate.plugin_api import UndoOutcome
from keeprate.steps.heads.scoring import score
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.marks.undoing import _Places, undo
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from keeprate.steps.tasks import UndoTask
from support.judging import WorkerWithoutProcess
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
