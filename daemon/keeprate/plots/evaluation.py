"""One picture of an evaluation: what was confused, whether probabilities can be believed, what a threshold costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from keeprate.plots.figure import BLUE, GREEN, GREY, ORANGE, as_png, new_figure, shortened
from keeprate.steps.heads.evaluating import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
PICTURES_PER_BIN = 10
MOST_BINS = 10
MOST_NUMBERED = 12
"""With more buckets than this, the cells of the matrix are too small for numbers."""


def draw_evaluation(evaluation: Evaluation) -> bytes:
    """The PNG.

    Raises:
        KeeprateError: matplotlib is not installed.
    """
    source = "out-of-fold predictions" if evaluation.test_set is None else "test set"
    figure, (matrix, reliability, cost) = new_figure(
        3, f"Head {evaluation.head}, version {evaluation.version}: {evaluation.total} pictures ({source})"
    )
    probabilities = np.array([list(one.probabilities.values()) for one in evaluation.pictures])
    buckets = list(evaluation.pictures[0].probabilities)
    actual = np.array([buckets.index(one.actual) for one in evaluation.pictures])
    _draw_matrix(matrix, evaluation)
    if len(buckets) == 2:
        _draw_reliability(reliability, probabilities[:, 0], actual == 0, f"P({shortened(buckets[0])})")
        _draw_cost(cost, evaluation, probabilities[:, 0], actual == 0)
    else:
        right = probabilities.argmax(axis=1) == actual
        _draw_reliability(reliability, probabilities.max(axis=1), right, "probability of the likeliest bucket")
        _draw_recalls(cost, evaluation)
    return as_png(figure)


def _draw_matrix(axes: Axes, evaluation: Evaluation) -> None:
    counts = np.array(evaluation.matrix, float)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [shortened(bucket) for bucket in evaluation.buckets]
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) < 4 else 60)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.set_title(f"Accuracy {evaluation.correct}/{evaluation.total} ({evaluation.accuracy:.1%})")
    axes.spines[:].set_visible(False)
    if len(names) > MOST_NUMBERED:
        return
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        axes.text(
            column, row, f"{counts[row, column]:.0f}\n{share:.0%}", ha="center", va="center",
            color="white" if share > 0.5 else "black", fontsize=13 if len(names) < 4 else 8,
        )  # fmt: skip


def _draw_reliability(axes: Axes, said: FloatArray, happened: npt.NDArray[np.bool_], what: str) -> None:
    """Bins of equal count, so that each point stands on as many pictures, with its 95 % interval (Wilson 1927)."""
    order = np.argsort(said, kind="stable")
    bins = int(np.clip(len(said) // PICTURES_PER_BIN, 1, MOST_BINS))
    members = np.array_split(order, bins)
    mean_said = np.array([said[one].mean() for one in members])
    shares = np.array([happened[one].mean() for one in members])
    sizes = np.array([len(one) for one in members])
    low, high = wilson_interval(shares, sizes)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as said")
    axes.errorbar(
        mean_said, shares, yerr=np.maximum(0, [shares - low, high - shares]), fmt="o", color=BLUE, capsize=3,
        label=f"happened, with 95 % interval\n({sizes.min()} pictures a point, or one more)",
    )  # fmt: skip
    counts, edges = np.histogram(said, bins=20, range=(0, 1))
    axes.bar(
        edges[:-1], 0.15 * counts / max(1, counts.max()), width=0.05, align="edge", color=ORANGE, alpha=0.35,
        label="how many were said so",
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(0, 1.02), xlabel=what, ylabel="share that it was true of")
    axes.set_title("Can the probabilities be believed?")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize=8)


def wilson_interval(shares: FloatArray, sizes: npt.NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """95 % intervals (low, high) of shares (n,) of samples of these sizes (n,)."""
    z = 1.96
    centre = (shares + z * z / (2 * sizes)) / (1 + z * z / sizes)
    half = z * np.sqrt(shares * (1 - shares) / sizes + z * z / (4 * sizes**2)) / (1 + z * z / sizes)
    return centre - half, centre + half


def _draw_cost(axes: Axes, evaluation: Evaluation, said: FloatArray, first: npt.NDArray[np.bool_]) -> None:
    """For every threshold: how many of the second bucket it rejects, and how many of the first that loses."""
    first_name = shortened(evaluation.first_bucket)
    second_name = shortened(next(name for name in evaluation.buckets if name != evaluation.first_bucket))
    if not first.any() or first.all():
        axes.text(0.5, 0.5, "needs pictures of both buckets", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    thresholds = np.concatenate([[-np.inf], np.unique(said), [np.inf]])
    lost = np.array([(said[first] < threshold).mean() for threshold in thresholds])
    rejected = np.array([(said[~first] < threshold).mean() for threshold in thresholds])
    axes.step(lost, rejected, where="post", color=BLUE, linewidth=2)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    if evaluation.threshold is not None:
        here = said < evaluation.threshold
        axes.plot(
            here[first].mean(), here[~first].mean(), "o", color=GREEN, markersize=9,
            label=f"threshold {evaluation.threshold:.2f}",
        )  # fmt: skip
        axes.legend(loc="lower right")
    auc = "" if evaluation.roc_auc is None else f": ROC AUC {evaluation.roc_auc:.3f}"
    if evaluation.roc_auc_interval is not None:
        auc += f" ({evaluation.roc_auc_interval.low:.3f}–{evaluation.roc_auc_interval.high:.3f})"
    axes.set(
        xlim=(-0.02, 1), ylim=(0, 1.02), xlabel=f"share of {first_name} that would be lost",
        ylabel=f"share of {second_name} rejected",
    )  # fmt: skip
    axes.set_title(f"What rejecting costs{auc}")


def _draw_recalls(axes: Axes, evaluation: Evaluation) -> None:
    places = np.arange(len(evaluation.per_bucket))
    axes.barh(places - 0.2, [one.precision or 0 for one in evaluation.per_bucket], 0.38, color=BLUE, label="precision")
    axes.barh(places + 0.2, [one.recall or 0 for one in evaluation.per_bucket], 0.38, color=ORANGE, label="recall")
    axes.set_yticks(places, [f"{shortened(one.bucket)} ({one.pictures})" for one in evaluation.per_bucket])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share")
    axes.set_title("Each bucket (pictures)")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8)
