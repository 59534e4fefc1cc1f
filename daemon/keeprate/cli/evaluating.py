"""`evaluate` and its other name `confusion-matrix`: how a head does on photos whose buckets are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.answer_files import check_answer_file, csv_header, write_answer, write_csv
from keeprate.cli.classifying import HeadArgument, tell_unreadable
from keeprate.cli.output import JsonOption, QuietOption, print_json, printable, say

if TYPE_CHECKING:
    from keeprate.steps.heads.evaluating import EvaluatedPicture, Evaluation

COLUMNS = ("path", "actual", "predicted", "correct", "trained_on")


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(evaluate)
    app.command("confusion-matrix", rich_help_panel="Look", help="Another name of `evaluate`.")(evaluate)


def evaluate(
    head: HeadArgument,
    test_dir: Annotated[
        Path | None,
        typer.Option("--test-dir", help="One sub-folder a bucket; default: that of the workspace, if there is one."),
    ] = None,
    extended: Annotated[bool, typer.Option("--extended", help="Also every picture, grouped and judged.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write every picture's prediction as CSV.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also draw it: confusion matrix, reliability, what rejecting costs.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """How a head does on photos whose buckets are known: a confusion matrix and what it means.

    Without a test set: on the photos that it was trained on, from the predictions made without having seen them.
    """
    from keeprate.cli.at_work import at_work
    from keeprate.plots.figure import MARK, check_matplotlib
    from keeprate.steps.heads.evaluating import evaluate as do_evaluate
    from keeprate.steps.worker_client import worker

    if csv is not None:
        check_answer_file(csv, csv_header(COLUMNS)[:-2])
    if plot is not None:
        check_matplotlib()
        check_answer_file(plot, MARK)
    with at_work(quiet=quiet or as_json) as session, worker() as client:
        evaluation = do_evaluate(session, client, head, test_dir)
    if csv is not None:
        _write_pictures(evaluation, csv)
    if plot is not None:
        from keeprate.plots.evaluation import draw_evaluation

        write_answer(plot, draw_evaluation(evaluation), MARK)
    if as_json:
        print_json(evaluation)
        return
    if quiet:
        return
    for line in (*confusion_matrix(evaluation), *_figures(evaluation)):
        say(line)
    if extended:
        for line in _every_picture(evaluation):
            say(line)
    tell_unreadable(evaluation.unreadable)


def confusion_matrix(evaluation: Evaluation) -> list[str]:
    """The lines of the table, as headmaster prints them, with the totals of the rows."""
    names = [f"Actual {bucket}" for bucket in evaluation.buckets]
    heads = [f"Pred {bucket}" for bucket in evaluation.buckets]
    first, column = max(map(len, names)), max(map(len, heads)) + 2
    rule = "-" * (first + 1 + column * len(heads) + 8)
    return [
        f"  {evaluation.head}",
        " " * (first + 1) + "".join(f"{name:>{column}}" for name in heads) + "   Total",
        rule,
        *(
            f"{name:<{first}}" + "".join(f"{count:>{column}}" for count in row) + f"{sum(row):>8}"
            for name, row in zip(names, evaluation.matrix, strict=True)
        ),
        rule,
        f"  Accuracy: {evaluation.correct}/{evaluation.total} ({evaluation.accuracy:.1%})",
    ]


def _figures(evaluation: Evaluation) -> Iterator[str]:
    yield f"  Balanced accuracy: {evaluation.balanced_accuracy:.1%}"
    if evaluation.roc_auc is not None:
        interval = evaluation.roc_auc_interval
        spread = "" if interval is None else f" (95 %: {interval.low:.3f}–{interval.high:.3f})"
        yield f"  ROC AUC: {evaluation.roc_auc:.3f}{spread}"
    if evaluation.average_precision is not None:
        yield f"  Average precision: {evaluation.average_precision:.3f}"
    yield f"  Calibration error: {evaluation.calibration_error:.3f}"
    if evaluation.keepers_lost is not None and evaluation.threshold is not None:
        yield (
            f"  Lost at the threshold {evaluation.threshold:.2f}: "
            f"{evaluation.keepers_lost:.1%} of {evaluation.first_bucket}"
        )
    for one in evaluation.per_bucket:
        yield f"  {one.bucket}: precision {_share(one.precision)}, recall {_share(one.recall)}"
    if evaluation.test_set is None:
        yield "  On the photos that it was trained on, each predicted without having been seen (no test set was given)."
    for note in evaluation.notes:
        yield f"  Note: {note}."


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _every_picture(evaluation: Evaluation) -> Iterator[str]:
    for actual in evaluation.buckets:
        for predicted in evaluation.buckets:
            group = [one for one in evaluation.pictures if (one.actual, one.predicted) == (actual, predicted)]
            if not group:
                continue
            verdict = "[CORRECT]" if actual == predicted else "[WRONG]"
            yield ""
            yield f"Actual {actual} / Pred {predicted} ({len(group)})"
            for one in sorted(group, key=_doubt):
                yield f"  {verdict} {one.probabilities[predicted]:.3f}  {one.path}"


def _doubt(picture: EvaluatedPicture) -> float:
    """The surest first: among wrong ones, those are the labels to look at."""
    return -picture.probabilities[picture.predicted]


def _write_pictures(evaluation: Evaluation, target: Path) -> None:
    buckets = list(evaluation.pictures[0].probabilities)
    rows = [
        [
            printable(one.path), one.actual, one.predicted, str(one.correct).lower(), str(one.trained_on).lower(),
            *(f"{share:.6f}" for share in one.probabilities.values()),
        ]
        for one in evaluation.pictures
    ]  # fmt: skip
    write_csv(target, [*COLUMNS, *(f"p_{bucket}" for bucket in buckets)], rows)
