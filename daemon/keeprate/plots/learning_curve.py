"""How a head got better: ROC AUC of its versions, each with its interval, over the labels they learned from."""

from __future__ import annotations

from collections.abc import Sequence

from keeprate.catalog.heads import HeadVersion
from keeprate.errors import UsageError
from keeprate.plots.figure import BLUE, GREY, ORANGE, as_png, new_figure

MOST_NAMED = 15
SECONDS_A_DAY = 86_400


def draw_learning_curve(versions: Sequence[HeadVersion]) -> bytes:
    """The PNG, of the versions of one head in any order; those without figures (imported ones) are left out.

    Raises:
        UsageError: no version has been measured.
        KeeprateError: matplotlib is not installed.
    """
    measured = sorted((one for one in versions if one.metrics.get("roc_auc_interval")), key=lambda one: one.trained_at)
    if not measured:
        raise UsageError("Nothing has been measured yet.", advice="`keeprate train` trains and measures.")
    figure, (over_labels, over_time) = new_figure(2, f"Head {measured[0].head}: {len(measured)} versions")
    labels = [float(sum(one.label_counts.values())) for one in measured]
    times = [one.trained_at / SECONDS_A_DAY for one in measured]  # as matplotlib counts time
    aucs = [float(one.metrics["roc_auc"]) for one in measured]
    for axes, places, title in (
        (over_labels, labels, "labels learned from (numbers: versions)"),
        (over_time, times, "trained"),
    ):
        for taken, colour, name in ((True, BLUE, "was in use"), (False, GREY, "was not taken")):
            chosen = [index for index, one in enumerate(measured) if one.promoted == taken]
            if not chosen:
                continue
            axes.errorbar(
                [places[index] for index in chosen],
                [aucs[index] for index in chosen],
                yerr=[
                    [max(0.0, aucs[index] - measured[index].metrics["roc_auc_interval"]["low"]) for index in chosen],
                    [max(0.0, measured[index].metrics["roc_auc_interval"]["high"] - aucs[index]) for index in chosen],
                ],
                fmt="o", color=colour, capsize=3, label=name,
            )  # fmt: skip
        for index, one in enumerate(measured):
            if one.in_use:
                axes.plot([places[index]], [aucs[index]], "o", color=ORANGE, markersize=9, label="in use", zorder=3)
            if len(measured) <= MOST_NAMED:
                axes.annotate(
                    f"{one.version}",
                    (places[index], aucs[index]),
                    xytext=(6, 4),
                    textcoords="offset points",
                )
        axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1, label="a guess")
        axes.set(xlabel=title, ylabel="ROC AUC (95 % interval)", ylim=(min(0.45, *aucs), 1.01))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, fontsize=8)
    over_time.xaxis_date()
    over_time.tick_params(axis="x", rotation=30)
    return as_png(figure)
