"""`write`: marks say what the heads say."""

from __future__ import annotations

from keeprate.service.jobs.job import NOTHING, Done, Job
from keeprate.steps.marks.marking_run import write_all

POSTPONED_S = 10.0
"""Marks on files that changed a moment ago are written so much later."""


class Write(Job):
    """Brings the marks of all libraries up to date."""

    name = "write"

    def wanted(self) -> str | None:
        return "Scores, labels or files have changed." if self._desk.marks_stale else None

    def do(self) -> Done:
        desk = self._desk
        desk.marks_stale = True  # until they are written, should that fail
        outcome = write_all(desk.session, desk.worker)
        cut = outcome.cancelled or desk.cut()
        desk.marks_stale = cut or outcome.postponed > 0
        again = POSTPONED_S if outcome.postponed else None
        if not (outcome.written or outcome.refused or outcome.removed):
            return Done(NOTHING.sentence, did_something=False, cut=cut, again_in_s=again)
        removed = f" {outcome.removed_sentence}" if outcome.removed else ""
        sentence = f"{outcome.written_sentence}{removed}"
        desk.events.tell(
            "marks.written", sentence, count=outcome.written, refused=outcome.refused, removed=outcome.removed
        )
        return Done(sentence, cut=cut, again_in_s=again)
