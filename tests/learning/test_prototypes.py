"""The nearest mean wins, whatever the weights of photos and folds."""

from __future__ import annotations

import numpy as np

from keeprate.learning import prototypes
from keeprate.learning.logistic import rotate
from support.synthetic_labels import clouds


def test_the_likeliest_bucket_is_the_one_whose_mean_is_nearest() -> None:
    dataset = clouds((8, 5, 6), width=4)
    rotation = rotate(dataset.vectors)
    weights = np.ones((19, 2))
    weights[:4, 1] = 0  # the second model has not seen the first four photos
    logits = prototypes.fit(rotation, dataset.bucket_indices, 3, weights).logits(rotation.coordinates)
    for model, taught in enumerate((np.arange(19), np.arange(4, 19))):
        labels = dataset.bucket_indices[taught]
        means = np.stack([dataset.vectors[taught][labels == bucket].mean(axis=0) for bucket in range(3)])
        distances = np.linalg.norm(dataset.vectors[:, np.newaxis] - means, axis=2)
        assert (logits[:, model].argmax(axis=1) == distances.argmin(axis=1)).all()
