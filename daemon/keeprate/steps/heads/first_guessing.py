"""The order while a head has nothing learned: a first guess from sharpness, exposure and near-duplicates.

Stored as version 0, which no training ever has. It is shown (`list`, `why`), never written into marks, never a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import companions, embeddings, scores
from keeprate.catalog.companions import Companions
from keeprate.config.models import TRASH_BUCKET
from keeprate.learning.first_guess import MeasuredPhotos, first_guess
from keeprate.pictures.signals import SIGNAL_NAMES, SIGNALS_VERSION
from keeprate.steps.session import Session

REJECTING: Final = frozenset(
    {"delete", "deleted", "reject", "rejected", "rejects", "trash", "bin", "discard", "remove", "bad", "no"}
)
"""Names of buckets for photos that are not wanted."""

SENTENCE: Final = "a first guess from sharpness, exposure and near-duplicates: nothing has been learned yet"


def kept_bucket(session: Session, head: str) -> int | None:
    """Which of a head's two buckets (0 or 1) holds what is kept; None if the head is about something else.

    The other one takes the desktop's trash, or is called like a place for what is not wanted: that a photo is sharp
    says something about keeping it, and nothing about what it shows.
    """
    buckets = session.heads(head)[head]
    rejecting = [
        bucket.lower() in REJECTING
        or any(
            TRASH_BUCKET in library.heads[head].buckets[bucket]
            for library in session.config.library
            if head in library.heads
        )
        for bucket in buckets
    ]
    return rejecting.index(False) if len(buckets) == 2 and sum(rejecting) == 1 else None


def guess(session: Session, head: str) -> int:
    """Bring the first guesses of a head up to date; returns how many photos had none.

    All photos are guessed anew then: a new frame of a burst may be the best of it. 100,000 take about a second.
    """
    kept = kept_bucket(session, head)
    buckets = None if kept is None else session.heads(head)[head]
    if scores.guessed_for(session.catalog, head) != buckets:
        scores.begin_guesses(session.catalog, head, buckets)
    if kept is None:
        return 0
    missing = scores.count_unguessed(session.catalog, head, SIGNALS_VERSION)
    if missing:
        photos = embeddings.measured(session.catalog, SIGNALS_VERSION)
        shown, of_photo = _once_a_shot(photos.content_keys, companions.load(session.catalog))
        signals = dict(zip(SIGNAL_NAMES, photos.signals[shown].T, strict=True))
        good = first_guess(
            MeasuredPhotos(
                sharpness=signals["sharpness"],
                brightness=signals["brightness"],
                contrast=signals["contrast"],
                shadow_clipping=signals["shadow_clipping"],
                highlight_clipping=signals["highlight_clipping"],
                noise=signals["noise"],
                perceptual_hashes=photos.perceptual_hashes[shown],
            )
        )[of_photo]
        columns = [good, 1 - good] if kept == 0 else [1 - good, good]
        with session.catalog.db.atomic():
            scores.store(session.catalog, head, scores.FIRST_GUESS, photos.content_keys, np.stack(columns, axis=1))
    return missing


def _once_a_shot(content_keys: Sequence[str], known: Companions) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(rows of the photos that stand for their shots, for every photo the place among those of the one that stands for
    it): a JPEG and its RAW are no near-duplicates that compete.
    """
    rows = {key: row for row, key in enumerate(content_keys)}
    stands = [next((rows[one] for one in known.photos(key) if one in rows), rows[key]) for key in content_keys]
    shown, of_photo = np.unique(np.array(stands, np.intp), return_inverse=True)
    return shown, of_photo
