"""A picture that kills the worker costs nobody else their judgement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.catalog import models
from keeprate.errors import UsageError
from keeprate.steps.heads.judging import judge, version_to_judge_by
from keeprate.steps.marks.verifying import PROVISIONAL
from keeprate.steps.session import Reporter, Session
from keeprate.steps.tasks import LookAtTask, Outcome, Task
from keeprate.steps.worker_client import WorkerCrashedError
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos


class FragileWorker(WorkerWithoutProcess):
    """Dies of certain files, with those beside them in hand."""

    def __init__(self, session: Session, poison: set[str], *, silent: bool = False) -> None:
        super().__init__(session)
        self._poison, self._silent = poison, silent

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        assert isinstance(task, LookAtTask)
        for start in range(0, len(task.paths), 3):
            in_hand = task.paths[start : start + 3]
            if any(Path(path).name in self._poison for path in in_hand):
                raise WorkerCrashedError(() if self._silent else in_hand, "SIGSEGV")
        return super().run(task, reporter)


@pytest.mark.parametrize("poison", [set(), {"IMG_0002.jpg"}, {"IMG_0000.jpg", "IMG_0001.jpg", "IMG_0006.jpg"}])
def test_the_others_are_judged_and_the_killers_are_named(session: Session, tmp_path: Path, poison: set[str]) -> None:
    version = put_head(session, tmp_path / "samples")
    paths = [str(path) for path in write_photos(tmp_path / "unsorted", range(7))]
    judgement = judge(session, FragileWorker(session, poison), version, paths)
    assert {Path(one.path).name for one in judgement.unreadable} == poison
    assert all("SIGSEGV" in one.reason for one in judgement.unreadable)
    assert list(judgement.paths) == [path for path in paths if Path(path).name not in poison]
    assert judgement.probabilities.shape == (7 - len(poison), 2)
    assert judgement.embedded == 7 - len(poison)


def test_a_worker_that_dies_of_nothing_in_particular(session: Session, tmp_path: Path) -> None:
    version = put_head(session, tmp_path / "samples")
    (path,) = write_photos(tmp_path / "unsorted", range(1))
    with pytest.raises(WorkerCrashedError):
        judge(session, FragileWorker(session, {path.name}, silent=True), version, [str(path)])


def test_an_imported_model_that_is_loaded_for_the_first_time(session: Session, tmp_path: Path) -> None:
    """Its fingerprint and that of its heads change while the pictures are looked at."""
    put_head(session, tmp_path / "samples")
    for table in ("models", "head_versions"):
        session.catalog.conn.execute(f"UPDATE {table} SET fingerprint = ?", (f"{PROVISIONAL}1",))
    session.catalog.conn.execute("DELETE FROM embeddings")
    version = version_to_judge_by(session, "keep")
    (path,) = write_photos(tmp_path / "unsorted", range(1))
    assert judge(session, WorkerWithoutProcess(session), version, [str(path)]).paths == (str(path),)
    assert models.active(session.catalog).fingerprint != f"{PROVISIONAL}1"


def test_a_head_whose_buckets_changed_or_that_is_gone(session: Session, tmp_path: Path) -> None:
    put_head(session, tmp_path / "samples", buckets=("keep", "maybe"))
    with pytest.raises(
        UsageError, match="buckets delete, keep now, but has learned to tell keep, maybe apart"
    ) as refused:
        version_to_judge_by(session, "keep")
    assert "keeprate train --head keep" in refused.value.advice
    without = replace(session, config=session.config.model_copy(update={"library": ()}))
    with pytest.raises(UsageError, match="no head called 'keep'"):
        version_to_judge_by(without, "keep")
