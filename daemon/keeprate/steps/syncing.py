"""All steps once, in order: what `keeprate sync` does, and what the daemon does when there is work."""

from __future__ import annotations

from dataclasses import dataclass

from keeprate.steps.heads.first_guessing import SENTENCE
from keeprate.steps.heads.scoring import score
from keeprate.steps.heads.training_run import train_heads
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.marks.reading_marks_run import MarksRead, read_marks
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.grouping_run import group_all
from keeprate.steps.photos.scanning import ScanOutcome, scan
from keeprate.steps.session import Session
from keeprate.steps.tasks import EmbedOutcome, GroupOutcome, TrainOutcome, WriteOutcome
from keeprate.steps.worker_client import WorkerClient


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What one pass over all steps did."""

    scan: ScanOutcome
    marks: MarksRead
    embed: EmbedOutcome
    train: tuple[TrainOutcome, ...]
    scored: int
    guessed: int
    """Photos that got a first guess."""
    group: GroupOutcome
    write: WriteOutcome

    def sentences(self) -> list[str]:
        """For the person: a line a step."""
        lines = [self.scan.sentence(), *self.marks.sentences()]
        if self.embed.embedded or self.embed.failed:
            failed = f"; {self.embed.failed} could not be read, see `keeprate status`" if self.embed.failed else ""
            lines.append(f"{self.embed.embedded} photos embedded{failed}.")
        if self.embed.note:
            lines.append(self.embed.note)
        lines += [f"{outcome.head}: {outcome.reason}" for outcome in self.train]
        if self.scored:
            lines.append(f"{self.scored} scores brought up to date.")
        if self.guessed:
            lines.append(f"{self.guessed} photos ordered by {SENTENCE} (`keeprate list`).")
        if self.group.failed:
            lines.append(self.group.failed)
        if self.group.groups:
            lines.append(f"{self.group.groups} groups of photos that are nearly the same (`keeprate groups`).")
        if self.write.written or self.write.refused:
            lines.append(self.write.written_sentence)
        if self.write.postponed:
            lines.append(f"{self.write.postponed} photos changed a moment ago and are marked the next time.")
        if self.write.removed:
            lines.append(self.write.removed_sentence)
        return lines


def sync(session: Session, worker: WorkerClient, library: str | None = None) -> SyncOutcome:
    """Scan, read marks, embed, train, score, group, write. Each step looks up by itself what there is to do."""
    scanned = scan(session, library)
    marks = read_marks(session, worker, library)
    embedded = embed_all(session, worker, library)
    trained = train_heads(session, worker)
    scored = score(session)
    grouped = group_all(session, worker, library)
    written = write_all(session, worker, library)
    return SyncOutcome(scanned, marks, embedded, tuple(trained), scored.scored, scored.guessed, grouped, written)
