"""Which of the things that a person said are probably slips: confident learning on out-of-fold probabilities.

Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021, as cleanlab does
it. Photos are ranked by normalised margin, and the confident joint says how many of the first are probably wrong.
cleanlab and what it brings along are imported within the function: only the audit needs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keeprate.errors import KeeprateError


@dataclass(frozen=True, slots=True)
class Suspects:
    """Photos from the most to the least doubtful label."""

    order: npt.NDArray[np.intp]
    """(n,) rows, most doubtful first; ties in the order of the rows."""
    margins: npt.NDArray[np.float64]
    """(n,) by row: P(the bucket said) − P(the likeliest other one), −1 to 1. Below 0 the head disagrees."""
    likely: int
    """So many of the first of `order` are probably wrong; 0 to n."""


def suspects(bucket_indices: npt.NDArray[np.intp], probabilities: npt.NDArray[np.floating]) -> Suspects:
    """Rank photos by how doubtful their labels (n,) are, given out-of-fold probabilities (n, k) whose rows sum to 1.

    The probabilities must come from models that had not seen the photo: a model that had believes its label.

    Raises:
        KeeprateError: cleanlab is not installed.
    """
    margins = _margins(bucket_indices, probabilities.astype(np.float64))
    disagreeing = int((margins < 0).sum())
    return Suspects(
        order=np.argsort(margins, kind="stable"),
        margins=margins,
        likely=min(disagreeing, _estimated_errors(bucket_indices, probabilities)) if disagreeing else 0,
    )


def _margins(bucket_indices: npt.NDArray[np.intp], probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rows = np.arange(len(bucket_indices))
    said = probabilities[rows, bucket_indices]
    others = probabilities.copy()
    others[rows, bucket_indices] = -np.inf
    margins: npt.NDArray[np.float64] = said - others.max(axis=1)
    return margins


def _estimated_errors(bucket_indices: npt.NDArray[np.intp], probabilities: npt.NDArray[np.floating]) -> int:
    """How many labels lie off the diagonal of the confident joint."""
    try:
        from cleanlab.count import num_label_issues
    except ImportError as error:
        raise KeeprateError(
            "Finding wrong labels needs cleanlab.", advice="pip install 'keeprate[audit]' installs it."
        ) from error
    present, labels = np.unique(bucket_indices, return_inverse=True)
    if len(present) < 2:
        return 0
    return int(num_label_issues(labels, probabilities[:, present], estimation_method="off_diagonal"))
