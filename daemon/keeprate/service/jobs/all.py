"""All jobs of the daemon, in the order in which they are done (`control.JOB_TITLES`)."""

from __future__ import annotations

from keeprate.service.board import Board
from keeprate.service.jobs.heads import Retrain, Score
from keeprate.service.jobs.job import Desk, Job
from keeprate.service.jobs.marks import Write
from keeprate.service.jobs.photos import Embed, Group
from keeprate.service.jobs.reconciling import Reconcile
from keeprate.service.jobs.upkeep import Backup, Integrity, Thumbnails


def all_jobs(desk: Desk, board: Board) -> tuple[Job, ...]:
    return (
        Reconcile(desk, board),
        Embed(desk),
        Retrain(desk),
        Score(desk),
        Group(desk),
        Write(desk),
        Thumbnails(desk),
        Integrity(desk, board),
        Backup(desk, board),
    )
