"""The picture that kills the worker is found, recorded and left alone; everything else is embedded."""

from __future__ import annotations

import pytest

from keeprate.catalog import embeddings, models, problems
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.session import Reporter, Session
from keeprate.steps.tasks import EmbedOutcome, Outcome, Task
from keeprate.steps.worker_client import WorkerClient, WorkerCrashedError
from support.catalogs import add_file, add_vector


class FragileWorker(WorkerClient):
    """Embeds like the real worker, four photos at a time, but dies of certain ones."""

    def __init__(self, session: Session, poison: set[str], *, silent: bool = False) -> None:
        super().__init__()
        self._session, self._poison, self._silent = session, poison, silent
        self.deaths = 0

    def run(self, task: Task, reporter: Reporter) -> Outcome:
        catalog = self._session.catalog
        only = getattr(task, "only", ())
        wanted = [key for key, *_ in embeddings.wanted(catalog, 1, SIGNALS_VERSION) if not only or key in only]
        done = 0
        for start in range(0, len(wanted), 4):
            batch = wanted[start : start + 4]
            if self._poison & set(batch):
                self.deaths += 1
                raise WorkerCrashedError(() if self._silent else tuple(batch), "SIGSEGV")
            for key in batch:
                add_vector(catalog, key, [1.0, 2.0], signals_version=SIGNALS_VERSION)
            done += len(batch)
        return EmbedOutcome(embedded=done)


def fill(session: Session) -> None:
    for number in range(10):
        add_file(session.catalog, f"/p/{number}.jpg", f"k{number}")


@pytest.mark.parametrize("poison", [set(), {"k5"}, {"k0", "k9"}, {"k4", "k5", "k6", "k7"}])
def test_the_others_are_embedded_and_the_killers_are_reported(session: Session, poison: set[str]) -> None:
    fill(session)
    worker = FragileWorker(session, poison)
    outcome = embed_all(session, worker)
    assert (outcome.embedded, outcome.failed) == (10 - len(poison), len(poison))
    assert {problem.content_key for problem in problems.latest(session.catalog)} == poison
    assert all("SIGSEGV" in problem.reason for problem in problems.latest(session.catalog))

    models.record_loaded(session.catalog, models.active(session.catalog), embed_dim=2, fingerprint="f")
    deaths = worker.deaths
    assert embed_all(session, worker) == EmbedOutcome()
    assert worker.deaths == deaths, "it is not tried again"


def test_a_worker_that_dies_without_touching_a_picture_is_an_error(session: Session) -> None:
    fill(session)
    with pytest.raises(WorkerCrashedError):
        embed_all(session, FragileWorker(session, {"k0"}, silent=True))
    assert problems.count(session.catalog) == 0
