"""The simplest of classifiers, for very few labels: a photo belongs to the bucket whose mean is nearest.

It is what L2 logistic regression becomes as the penalty grows without bound, and there is nothing in it to choose.
Snell, Swersky & Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from keeprate.learning.logistic import Fits, Rotation


def fit(
    rotation: Rotation,
    bucket_indices: npt.NDArray[np.intp],
    bucket_count: int,
    sample_weights: npt.NDArray[np.float64],
) -> Fits:
    """One model for each column of `sample_weights` (n, m), in which every bucket must have weight.

    Logits are minus half the squared distance to each bucket's mean, but for what is the same for all buckets.
    """
    members = np.eye(bucket_count)[bucket_indices]
    shares = sample_weights[:, :, np.newaxis] * members[:, np.newaxis, :]
    shares /= shares.sum(axis=0)
    rank = rotation.coordinates.shape[1]
    flat = rotation.coordinates.T.astype(np.float64) @ shares.reshape(len(members), -1)
    means = flat.reshape(rank, *shares.shape[1:])
    return Fits(means, -0.5 * (means**2).sum(axis=0))
