"""What can be asked of the worker process, and what it answers: plain data that travels as JSON lines."""

from __future__ import annotations

import base64
import pickle
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from keeprate.config.models import Config


@dataclass(frozen=True, slots=True)
class EmbedTask:
    """Give every photo a vector by the active model."""

    library: str | None = None
    only: tuple[str, ...] = ()
    """Content keys to try alone, one at a time (after a crash); empty: all that lack one."""
    without: tuple[str, ...] = ()
    """Content keys that are left out this time."""


@dataclass(frozen=True, slots=True)
class EmbedOutcome:
    embedded: int = 0
    failed: int = 0
    seconds: float = 0.0
    device: str = ""
    precision: str = ""
    cancelled: bool = False
    looked: int = 0
    """Photos that had a vector already (imported) and were only decoded, for the rest."""
    note: str = ""
    """What the person should know, in one sentence."""


@dataclass(frozen=True, slots=True)
class TrainTask:
    """Train one head on the labels that stand."""

    head: str
    threshold: float | None = None
    force: bool = False
    """Train even if nothing changed since the last time."""
    keepers_lost: float | None = None
    """Choose the threshold that costs at most this share of the keepers; None: as the config says."""
    prior: str | float | None = None
    """As `[training] prior`; None: as the config says."""


@dataclass(frozen=True, slots=True)
class TrainOutcome:
    head: str
    trained: bool
    """A version was made (in use or not)."""
    promoted: bool
    version: int | None
    reason: str
    labels: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, Any] | None = None
    """None if a bucket has a single photo: nothing could be held out."""
    seconds: float = 0.0
    candidates: tuple[dict[str, Any], ...] = ()
    """What was compared, best first (`learning.fitting.CandidateResult`)."""
    details: dict[str, Any] | None = None
    """Groups, prior, threshold, checkpoint: `steps.heads.training_details.TrainingDetails`."""
    because: str = ""
    """Why it was promoted, in a few words without figures."""


@dataclass(frozen=True, slots=True)
class WriteTask:
    """Bring the marks of a library (or all) up to date with the scores."""

    library: str | None = None
    dry_run: bool = False
    without: tuple[str, ...] = ()
    """Photos and places that are left out this time."""
    unopened: tuple[str, ...] = ()
    """Photos that must not be decoded this time."""
    one_by_one: bool = False
    """Decode no two photos at once: one of them kills."""


@dataclass(frozen=True, slots=True)
class UndoTask:
    """Take marks back: those of a run, or all."""

    run: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PlannedMark:
    """One line of a dry run, or of what was left alone."""

    library: str
    manager: str
    path: str
    field: str
    summary: str


def counted(count: int, one: str) -> str:
    """`1 mark`, `2 marks`."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    run: int | None = None
    written: int = 0
    refused: int = 0
    skipped: int = 0
    postponed: int = 0
    """Of the skipped: those that it was only too early for."""
    planned: tuple[PlannedMark, ...] = ()
    """Of a dry run: everything that would change."""
    left_alone: tuple[PlannedMark, ...] = ()
    """With the reason as summary; the first few hundred."""
    cancelled: bool = False
    removed: int = 0
    """Places that no setting asks for any more, freed of what keeprate made there."""

    @property
    def written_sentence(self) -> str:
        """How many marks were written and refused, for people."""
        refused = f", {self.refused:,} refused" if self.refused else ""
        return f"{counted(self.written, 'mark')} written{refused}."

    @property
    def removed_sentence(self) -> str:
        """What became of these places, for people."""
        return f"{self.removed} taken back that no setting asks for any more."


@dataclass(frozen=True, slots=True)
class UndoOutcome:
    """Counts of places, each once, however many runs wrote to it."""

    restored: int = 0
    removed_ours: int = 0
    not_ours: int = 0
    gone: int = 0
    failed: int = 0
    planned: tuple[PlannedMark, ...] = ()
    failures: tuple[PlannedMark, ...] = ()


@dataclass(frozen=True, slots=True)
class LookAtTask:
    """Give these files vectors by the active model, wherever they lie."""

    paths: tuple[str, ...]
    alone: bool = False
    """One at a time: after a crash, to find the picture that caused it."""


@dataclass(frozen=True, slots=True)
class LookAtOutcome:
    """In the order of the task's paths."""

    content_keys: tuple[str, ...] = ()
    """Empty where the file could not be read at all."""
    reasons: tuple[str, ...] = ()
    """Why there is no vector; empty where there is one."""
    embedded: int = 0
    """Those that the catalog had no vector of."""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class ReadMarksTask:
    """Read what the user says about these files of a library in viewers."""

    library: str
    paths: tuple[str, ...]
    signatures: tuple[str, ...]
    """How each file and its sidecars look now."""
    placed_at: tuple[float, ...]
    """Unix seconds: when each file, or its latest sidecar, was written."""


@dataclass(frozen=True, slots=True)
class ReadMarksOutcome:
    read: int = 0
    failed: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class GroupTask:
    """Find photos that are nearly the same, in a library or in all."""

    library: str | None = None


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    compared: int = 0
    """Photos that had not been compared before."""
    groups: int = 0
    """Of the libraries asked for, if anything was compared."""
    seconds: float = 0.0
    failed: str = ""
    """Why photos could not be compared this time; the next time tries again."""


@dataclass(frozen=True, slots=True)
class ThumbnailTask:
    """Make the thumbnails that are missing."""

    only: tuple[str, ...] = ()
    """Content keys to try alone, one at a time (after a crash); empty: all that lack one."""
    without: tuple[str, ...] = ()
    """Content keys that are left out this time."""


@dataclass(frozen=True, slots=True)
class ThumbnailOutcome:
    made: int = 0
    failed: int = 0
    cancelled: bool = False
    note: str = ""
    """Why some were left for later, in one sentence."""


Task = EmbedTask | TrainTask | WriteTask | UndoTask | LookAtTask | ReadMarksTask | GroupTask | ThumbnailTask
Outcome = (
    EmbedOutcome
    | TrainOutcome
    | WriteOutcome
    | UndoOutcome
    | LookAtOutcome
    | ReadMarksOutcome
    | GroupOutcome
    | ThumbnailOutcome
)
_TASKS: dict[str, type[Task]] = {
    "embed": EmbedTask,
    "train": TrainTask,
    "write": WriteTask,
    "undo": UndoTask,
    "look": LookAtTask,
    "marks": ReadMarksTask,
    "group": GroupTask,
    "thumbnails": ThumbnailTask,
}
_OUTCOMES: dict[str, type[Outcome]] = {
    "embed": EmbedOutcome, "train": TrainOutcome, "write": WriteOutcome, "undo": UndoOutcome,
    "look": LookAtOutcome, "marks": ReadMarksOutcome, "group": GroupOutcome,
    "thumbnails": ThumbnailOutcome,
}  # fmt: skip


def was_cut_short(outcome: Outcome) -> bool:
    """Whether the worker stopped before all was done."""
    return isinstance(outcome, EmbedOutcome | LookAtOutcome | ThumbnailOutcome) and outcome.cancelled


def together(first: Outcome, second: Outcome) -> Outcome:
    """What two workers did one after the other, the second with the whole task again, as one outcome.

    Raises:
        TypeError: such a task is never done in two goes.
    """
    match first, second:
        case EmbedOutcome(), EmbedOutcome():
            return EmbedOutcome(
                embedded=first.embedded + second.embedded,
                failed=first.failed + second.failed,
                seconds=first.seconds + second.seconds,
                device=second.device or first.device,
                precision=second.precision or first.precision,
                cancelled=second.cancelled,
                looked=first.looked + second.looked,
                note=second.note or first.note,
            )
        case LookAtOutcome(), LookAtOutcome():
            return replace(second, embedded=first.embedded + second.embedded)
        case ThumbnailOutcome(), ThumbnailOutcome():
            return replace(second, made=first.made + second.made, failed=first.failed + second.failed)
        case _:
            raise TypeError(f"{type(first).__name__} and {type(second).__name__} cannot be added up")


_MARKS = ("planned", "left_alone", "failures")
"""Fields that hold `PlannedMark`s."""


def task_kind(task: Task) -> str:
    return next(kind for kind, type_ in _TASKS.items() if isinstance(task, type_))


def task_from(kind: str, values: dict[str, Any]) -> Task:
    task: Task = _build(_TASKS[kind], values)
    return task


def outcome_from(kind: str, values: dict[str, Any]) -> Outcome:
    outcome: Outcome = _build(_OUTCOMES[kind], values)
    return outcome


def to_values(value: Task | Outcome) -> dict[str, Any]:
    return asdict(value)


def packed(config: Config | None) -> str | None:
    """Settings as part of a JSON line. Pickled: a workspace's may hold what no config file could say."""
    return None if config is None else base64.b64encode(pickle.dumps(config)).decode("ascii")


def unpacked(settings: str | None) -> Config | None:
    """What `packed` has made."""
    if settings is None:
        return None
    config: Config = pickle.loads(base64.b64decode(settings))  # noqa: S301 (from our parent, who may do what we may)
    return config


def _build(type_: type[Any], values: dict[str, Any]) -> Any:
    """JSON has no tuples and no nested dataclasses: give them back."""
    known = {one.name: values[one.name] for one in fields(type_)}
    for name, value in known.items():
        if isinstance(value, list):
            known[name] = tuple(PlannedMark(**item) if name in _MARKS else item for item in value)
    return type_(**known)
