"""What `train` and `embed` do first in a workspace, so that its folders and one command are enough.

Whoever comes from headmaster has no `scan` and no daemon: pictures are dropped into buckets, `train` does the rest.
"""

from __future__ import annotations

from keeprate.catalog import embeddings, models
from keeprate.errors import KeeprateError
from keeprate.steps.labels.shots import label_counts, said_of_shots
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import ScanOutcome, scan
from keeprate.steps.session import Session
from keeprate.steps.tasks import EmbedOutcome
from keeprate.steps.worker_client import WorkerClient


class NotTrainableError(KeeprateError):
    """A head of a workspace has fewer than two buckets, or a bucket without a picture."""

    slug = "not-trainable"
    exit_code = 2


def look_first(session: Session) -> ScanOutcome | None:
    """Scan a workspace, so that what was dropped into its folders counts; elsewhere scanning is a step of its own."""
    return None if session.home.workspace is None else scan(session)


def prepare(session: Session, worker: WorkerClient, head: str | None = None) -> EmbedOutcome | None:
    """Before a training: in a workspace scan, check the head called `head`, embed; elsewhere nothing at all.

    Raises:
        NotTrainableError: the head called `head` has fewer than two buckets, or one that is empty or whose pictures
            cannot be read (without `head` those that can be trained are, and `train_heads` says what the others lack).
        UsageError: there is no such head, or none at all.
    """
    if session.home.workspace is None:
        return None
    session.libraries()
    session.heads(head)
    scan(session)
    if head is not None:
        require_buckets(session, head)
    outcome = embed_all(session, worker)
    if head is not None and not outcome.cancelled:
        _require_vectors(session, head)
    return outcome


def require_buckets(session: Session, head: str) -> None:
    """Raise NotTrainableError, naming the head and its buckets, unless it has two buckets and none is empty."""
    (buckets,) = session.heads(head).values()
    folder = session.libraries()[0].root / head
    if len(buckets) < 2:
        has = f"only the bucket {buckets[0]!r}" if buckets else "no bucket"
        raise NotTrainableError(
            f"The head {head!r} has {has}; it needs at least two.",
            path=folder,
            advice="Make one folder for each answer, and put pictures into each.",
        )
    counts = label_counts(session, head)
    empty = [bucket for bucket in buckets if not counts.get(bucket)]
    if empty:
        named = " and ".join(repr(bucket) for bucket in empty)
        raise NotTrainableError(
            f"The head {head!r} has no usable picture in {named}.",
            path=folder / empty[0],
            advice="Put pictures directly into that folder; `keeprate status` lists those that cannot be read or lie "
            "in two buckets at once.",
        )


def _require_vectors(session: Session, head: str) -> None:
    """Raise NotTrainableError, naming the head and its buckets, if all pictures of a bucket turned out unreadable."""
    (buckets,) = session.heads(head).values()
    said = said_of_shots(session, head).of_photos()
    readable = embeddings.with_vector(session.catalog, models.active(session.catalog).id, list(said))
    lacking = [bucket for bucket in buckets if bucket not in {said[key].bucket for key in readable}]
    if lacking:
        raise NotTrainableError(
            f"The head {head!r} has no picture that could be read in {' and '.join(map(repr, lacking))}.",
            path=session.libraries()[0].root / head / lacking[0],
            advice="Put other pictures into that folder; `keeprate status` says what is wrong with these.",
        )
