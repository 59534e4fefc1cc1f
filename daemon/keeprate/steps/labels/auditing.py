"""The label audit: moves that were probably slips, with the evidence. It changes nothing: people move photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keeprate.catalog import files, heads, models, out_of_fold
from keeprate.catalog.heads import HeadVersion
from keeprate.catalog.labels import Label
from keeprate.catalog.out_of_fold import OutOfFoldRows
from keeprate.learning.audit import suspects
from keeprate.learning.dataset import FEW_LABELS
from keeprate.steps.heads.explaining import LabelledPhotos, Neighbour
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.session import Session

SHOWN = 20
NEIGHBOURS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Suspect:
    """One label, and what speaks against it."""

    paths: tuple[str, ...]
    """Where the photo lies now; empty if it is nowhere any more."""
    lay_at: str | None
    """Where it lay when it was labelled."""
    content_key: str
    said: str
    source: str
    """How it was said: `move`, `folder`, `trash`, `csv`."""
    at: float
    """When, unix seconds."""
    instead: str
    """The likeliest other bucket."""
    probabilities: dict[str, float]
    """What the head said of each bucket, having learned from all other photos only."""
    likely: bool
    """Whether this is among the labels that are probably wrong."""
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """The audit of one head."""

    head: str
    version: int | None
    photos: int
    """Labels looked at: those that the version learned from and that still stand."""
    likely: int
    """So many are probably wrong; 0 where the head was not seen to tell buckets apart."""
    remark: str
    """A sentence for people: what could not be done, or how far to trust it; empty: nothing to remark."""
    suspects: tuple[Suspect, ...]
    """Most doubtful first."""


def audit(session: Session, head: str | None = None, top: int | None = None) -> list[AuditOutcome]:
    """Look for wrong labels of one head, or of all: the probably wrong ones (at most 20), or the `top` most doubtful.

    Raises:
        UsageError: there is no such head.
        KeeprateError: cleanlab is not installed.
    """
    return [_audit(session, name, top) for name in session.heads(head)]


def _audit(session: Session, head: str, top: int | None) -> AuditOutcome:
    history = heads.history(session.catalog, head)
    if not history:
        return AuditOutcome(head, None, 0, 0, "Nothing to look at: it has not been trained yet.", ())
    version = history[0]
    said = said_of_shots(session, head)
    standing = said.of_photos()
    rows = out_of_fold.load(session.catalog, head, version.version).that_stand(standing)
    if not len(rows):
        return AuditOutcome(
            head, version.version, 0, 0,
            "Nothing to look at: what its training said of each photo was not kept; `keeprate train --force` keeps it.",
            (),
        )  # fmt: skip
    indices = np.array([version.buckets.index(bucket) for bucket in rows.buckets], np.intp)
    found = suspects(indices, rows.probabilities)
    likely = 0 if _knows_nothing(version) else found.likely
    registered = any(model.id == version.model_id for model in models.all_models(session.catalog))
    labelled = LabelledPhotos(session, version.model_id if registered else None, said)
    shown = min(likely, SHOWN) if top is None else top
    return AuditOutcome(
        head=head,
        version=version.version,
        photos=len(rows),
        likely=likely,
        remark=_remark(version, indices),
        suspects=tuple(
            _suspect(session, rows, int(row), version.buckets, standing, labelled, likely=place < likely)
            for place, row in enumerate(found.order[:shown])
        ),
    )


def _knows_nothing(version: HeadVersion) -> bool:
    """Whether out of fold the head was not seen to tell buckets apart: then it disagrees with every other label."""
    measured = version.metrics
    if not measured:
        return False
    return bool(measured["roc_auc_interval"]["low"] <= 0.5 or measured["log_loss"] >= measured["base_log_loss"])


def _remark(version: HeadVersion, indices: npt.NDArray[np.intp]) -> str:
    if _knows_nothing(version):
        return "The head cannot tell the buckets apart for certain yet, so that it doubts a label means nothing."
    fewest = int(np.bincount(indices, minlength=len(version.buckets)).min())
    if fewest < FEW_LABELS:
        return f"A bucket has only {fewest} labels: the head is still a first guess, and so are its doubts."
    return ""


def _suspect(
    session: Session,
    rows: OutOfFoldRows,
    row: int,
    buckets: tuple[str, ...],
    standing: dict[str, Label],
    labelled: LabelledPhotos,
    *,
    likely: bool,
) -> Suspect:
    key, said = rows.content_keys[row], rows.buckets[row]
    label = standing[key]
    probabilities = dict(zip(buckets, rows.probabilities[row].tolist(), strict=True))
    return Suspect(
        paths=tuple(file.path for file in files.of_photo(session.catalog, key)),
        lay_at=label.path,
        content_key=key,
        said=said,
        source=str(label.source),
        at=label.at,
        instead=max((bucket for bucket in buckets if bucket != said), key=probabilities.__getitem__),
        probabilities=probabilities,
        likely=likely,
        nearest=labelled.nearest(key, NEIGHBOURS_SHOWN),
    )
