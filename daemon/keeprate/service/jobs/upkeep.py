"""`thumbnails`, `integrity` and `backup`: what keeps the home in order."""

from __future__ import annotations

import logging
from abc import abstractmethod
from datetime import timedelta
from pathlib import Path

from keeprate.config.durations import format_duration
from keeprate.errors import CatalogDamagedError
from keeprate.service.board import Board
from keeprate.service.jobs.job import Desk, Done, Job, Later
from keeprate.steps.upkeep.backup import back_up
from keeprate.steps.upkeep.integrity import check
from keeprate.steps.upkeep.thumbnails import make_thumbnails

ROOM_AGAIN_S = 3600.0
"""Where a disk is nearly full it is looked so much later whether it still is."""


class Thumbnails(Job):
    """Makes small pictures for the page."""

    name = "thumbnails"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._later: Later | None = None
        """When those are tried that there was no room for."""

    def wanted(self) -> str | None:
        if not self._desk.session.config.jobs.thumbnails:
            return None
        if self._desk.thumbnails_stale:
            return "Photos may be new or gone."
        if self._later is not None and self._later.at <= self._desk.clocks.wall():
            return "There may be room by now."
        return None

    def later(self) -> Later | None:
        return self._later

    def do(self) -> Done:
        desk = self._desk
        outcome = make_thumbnails(desk.session, desk.worker)
        cut = outcome.cancelled or desk.cut()
        desk.thumbnails_stale = cut
        self._later = Later(desk.clocks.wall() + ROOM_AGAIN_S, outcome.note) if outcome.note else None
        did_something = bool(outcome.made or outcome.failed or outcome.removed)
        if did_something:
            desk.events.tell("thumbnails.made", outcome.sentence, count=outcome.made, failed=outcome.failed)
        return Done(outcome.sentence, did_something=did_something, cut=cut)


class _Regular(Job):
    """What is done once in a while, counted from when it was last done, over restarts."""

    def __init__(self, desk: Desk, board: Board) -> None:
        super().__init__(desk)
        self._board = board

    @abstractmethod
    def interval(self) -> timedelta: ...

    def wanted(self) -> str | None:
        due_at, now = self._due_at(), self._desk.clocks.wall()
        return None if due_at > now else f"It is done every {format_duration(self.interval())}."

    def later(self) -> Later | None:
        due_at = self._due_at()
        if due_at <= self._desk.clocks.wall():
            return None
        return Later(due_at, f"It is done every {format_duration(self.interval())}.")

    def _due_at(self) -> float:
        """0: now. What was done in the future was done by a wrong clock."""
        last = self._board.job(self.name)
        done_at = last.last_finished_at
        if done_at is None or last.last_failed or done_at > self._desk.clocks.wall():
            return 0.0
        return done_at + self.interval().total_seconds()


class Integrity(_Regular):
    """Looks whether the catalog is sound."""

    name = "integrity"

    def __init__(self, desk: Desk, board: Board) -> None:
        super().__init__(desk, board)
        self._file = _identity(desk.session.home.catalog_file)

    def interval(self) -> timedelta:
        return self._desk.session.config.jobs.integrity_every

    def do(self) -> Done:
        desk = self._desk
        file = desk.session.home.catalog_file
        if _identity(file) != self._file:
            raise CatalogDamagedError(
                "The catalog's file was exchanged while keeprate ran, which works in the old one.",
                path=file,
                advice="Start it again: `keeprate service restart`.",
            )
        outcome = check(desk.session)
        if outcome.cancelled:
            return Done(outcome.sentence, did_something=False, cut=True)
        if outcome.damaged:
            raise CatalogDamagedError(outcome.sentence)
        desk.events.tell(
            "catalog.checked", " ".join(outcome.findings) or outcome.sentence,
            level=logging.INFO if outcome.ok else logging.WARNING,
            findings=len(outcome.findings), seconds=round(outcome.seconds, 1),
        )  # fmt: skip
        return Done(outcome.sentence, attention="" if outcome.ok else outcome.sentence)


def _identity(file: Path) -> tuple[int, int] | None:
    """Which file it is, whatever it is called; None: none."""
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


class Backup(_Regular):
    """Copies the catalog."""

    name = "backup"

    def interval(self) -> timedelta:
        return self._desk.session.config.jobs.backup_every

    def do(self) -> Done:
        desk = self._desk
        outcome = back_up(desk.session)
        if outcome.cancelled:
            return Done(outcome.sentence, did_something=False, cut=True)
        desk.events.tell(
            "backup.made", outcome.sentence, path=str(outcome.path), bytes=outcome.bytes, removed=outcome.removed
        )
        return Done(outcome.sentence)
