"""`embed` and `group`: what is done once for every photo, in the worker."""

from __future__ import annotations

from dataclasses import replace

from keeprate.errors import KeeprateError
from keeprate.service.jobs.job import NOTHING, Done, Job
from keeprate.service.wording import photos
from keeprate.steps.photos.embedding_run import embed_all, model_is_new, to_embed
from keeprate.steps.photos.grouping_run import group_all, to_compare


class Embed(Job):
    """Gives every photo its vector by the active model."""

    name = "embed"

    def wanted(self) -> str | None:
        waiting = to_embed(self._desk.session)
        if waiting:
            return f"{photos(waiting)} without a vector by the active model."
        return "The active model has not been used yet." if model_is_new(self._desk.session) else None

    def do(self) -> Done:
        desk = self._desk
        outcome = embed_all(desk.session, desk.worker)
        desk.thumbnails_stale = True
        cut = outcome.cancelled or desk.cut()
        if not (outcome.embedded or outcome.failed or outcome.looked):
            return replace(NOTHING, cut=cut)
        failed = f", {outcome.failed:,} could not be read" if outcome.failed else ""
        looked = f", {outcome.looked:,} looked at once more" if outcome.looked else ""
        sentence = f"{photos(outcome.embedded)} embedded{looked}{failed}."
        desk.events.tell(
            "photos.embedded", f"{sentence} {outcome.note}".strip(),
            count=outcome.embedded, failed=outcome.failed, seconds=round(outcome.seconds, 1), device=outcome.device,
        )  # fmt: skip
        return Done(sentence, cut=cut)


class Group(Job):
    """Finds photos that are nearly the same."""

    name = "group"

    def wanted(self) -> str | None:
        waiting = to_compare(self._desk.session)
        return f"{photos(waiting)} not compared with the others." if waiting else None

    def do(self) -> Done:
        desk = self._desk
        outcome = group_all(desk.session, desk.worker)
        if outcome.failed:
            raise KeeprateError(outcome.failed)
        if not outcome.compared:
            return Done(NOTHING.sentence, did_something=False, cut=desk.cut())
        desk.marks_stale = True
        sentence = f"{photos(outcome.compared)} compared, {outcome.groups:,} groups of nearly the same."
        desk.events.tell("photos.grouped", sentence, count=outcome.compared, groups=outcome.groups)
        return Done(sentence, cut=desk.cut())
