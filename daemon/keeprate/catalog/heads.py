"""Head versions: every training ever made, what it was measured at, and which one is in use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from keeprate.catalog.connection import Catalog
from keeprate.errors import UsageError


@dataclass(frozen=True, slots=True)
class HeadVersion:
    """One trained state of a head. `metrics` is what `learning.metrics.Metrics.to_json` gave."""

    head: str
    version: int
    trained_at: float
    kind: str
    buckets: tuple[str, ...]
    label_counts: dict[str, int]
    label_hash: str
    model_id: int
    fingerprint: str
    threshold: float | None
    metrics: dict[str, Any]
    file: str | None
    in_use: bool
    reason: str
    promoted: bool = False
    """Whether it ever was in use; the catalog sees to that."""
    candidates: list[dict[str, Any]] = field(default_factory=list)
    """What was compared, best first: `learning.fitting.CandidateResult` as JSON."""
    details: dict[str, Any] = field(default_factory=dict)
    """What else was found out: see `steps.heads.training.Details`."""


_COLUMNS = (
    "head, version, trained_at, kind, buckets, label_counts, label_hash, model_id, fingerprint, threshold, "
    "metrics, file, in_use, reason, promoted, candidates, details"
)


def _version(row: tuple[Any, ...]) -> HeadVersion:
    return HeadVersion(
        head=row[0], version=row[1], trained_at=row[2], kind=row[3], buckets=tuple(json.loads(row[4])),
        label_counts=json.loads(row[5]), label_hash=row[6], model_id=row[7], fingerprint=row[8], threshold=row[9],
        metrics=json.loads(row[10]), file=row[11], in_use=bool(row[12]), reason=row[13], promoted=bool(row[14]),
        candidates=json.loads(row[15]), details=json.loads(row[16]),
    )  # fmt: skip


def in_use(catalog: Catalog, head: str) -> HeadVersion | None:
    row = catalog.conn.execute(
        f"SELECT {_COLUMNS} FROM head_versions WHERE head = ? AND in_use = 1",
        (head,),
    ).fetchone()
    return _version(row) if row else None


def history(catalog: Catalog, head: str) -> list[HeadVersion]:
    """All versions, newest first."""
    rows = catalog.conn.execute(
        f"SELECT {_COLUMNS} FROM head_versions WHERE head = ? ORDER BY version DESC",
        (head,),
    )
    return [_version(row) for row in rows]


def names(catalog: Catalog) -> list[str]:
    """Every head that was ever trained, sorted, also such as the config does not name any more."""
    return [name for (name,) in catalog.conn.execute("SELECT DISTINCT head FROM head_versions ORDER BY head")]


def can_score(catalog: Catalog, version: HeadVersion) -> bool:
    """Whether the model that a head version has learned on is registered and still gives the same vectors."""
    row = catalog.conn.execute("SELECT fingerprint FROM models WHERE id = ?", (version.model_id,)).fetchone()
    return row is not None and row[0] == version.fingerprint


def next_version(catalog: Catalog, head: str) -> int:
    row = catalog.conn.execute("SELECT max(version) FROM head_versions WHERE head = ?", (head,)).fetchone()
    return int(row[0] or 0) + 1


def add(catalog: Catalog, version: HeadVersion) -> None:
    """Record a training; if it is `in_use`, the former one steps back."""
    with catalog.db.atomic():
        if version.in_use:
            catalog.conn.execute("UPDATE head_versions SET in_use = 0 WHERE head = ?", (version.head,))
        catalog.conn.execute(
            f"INSERT INTO head_versions ({_COLUMNS}) VALUES ({', '.join('?' * 17)})",
            (
                version.head, version.version, version.trained_at, version.kind, json.dumps(version.buckets),
                json.dumps(version.label_counts), version.label_hash, version.model_id, version.fingerprint,
                version.threshold, json.dumps(version.metrics), version.file, int(version.in_use),
                version.reason, int(version.in_use), json.dumps(version.candidates), json.dumps(version.details),
            ),
        )  # fmt: skip


def set_details(catalog: Catalog, head: str, version: int, details: dict[str, Any]) -> None:
    """Replace what else is known about a version."""
    with catalog.db.atomic():
        catalog.conn.execute(
            "UPDATE head_versions SET details = ? WHERE head = ? AND version = ?", (json.dumps(details), head, version)
        )


def use(catalog: Catalog, head: str, version: int) -> HeadVersion:
    """Put an earlier version into use again.

    Raises:
        UsageError: there is no such version, or its file was not kept.
    """
    chosen = next((one for one in history(catalog, head) if one.version == version), None)
    if chosen is None or chosen.file is None:
        raise UsageError(
            f"The head {head!r} has no version {version} to go back to.",
            advice=f"`keeprate heads history --head {head}` lists them.",
        )
    if not can_score(catalog, chosen):
        raise UsageError(
            f"Version {version} of the head {head!r} was trained on a model that is not registered any more.",
            advice="Choose another version, or train anew.",
        )
    with catalog.db.atomic():
        catalog.conn.execute("UPDATE head_versions SET in_use = 0 WHERE head = ?", (head,))
        catalog.conn.execute(
            "UPDATE head_versions SET in_use = 1, promoted = 1 WHERE head = ? AND version = ?", (head, version)
        )
    return chosen
