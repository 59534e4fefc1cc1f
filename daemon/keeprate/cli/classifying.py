"""`classify` and `evaluate`: a head in use and photos outside of the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.answer_files import check_answer_file, csv_header, write_csv
from keeprate.cli.output import JsonOption, QuietOption, print_json, printable, say

if TYPE_CHECKING:
    from keeprate.steps.exchange.classifying import ClassifyOutcome
    from keeprate.steps.heads.judging import Unreadable

PANEL = "Work"
UNREADABLE_SHOWN = 20
CLASSIFIED_COLUMNS = ("path", "bucket", "score", "copied_to")

HeadArgument = Annotated[str, typer.Option("--head", help="The head.")]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(classify)


def classify(
    head: HeadArgument,
    src: Annotated[Path, typer.Option("--src", help="The folder of pictures; its sub-folders are left out.")],
    dest: Annotated[
        Path | None, typer.Option("--dest", help="Where the copies go; default: `classified/<head>` here.")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Two buckets: how near to the threshold is uncertain.")
    ] = 0.1,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write what was said of each picture as CSV.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Copy the pictures of a folder into one folder for each bucket; nothing in the folder itself is changed.

    What the head is not sure of goes to `uncertain`. A second run moves its own earlier copies that belong elsewhere by
    then; nothing else in the destination is ever removed or overwritten.
    """
    from keeprate.cli.at_work import at_work
    from keeprate.steps.exchange.classifying import classify as do_classify
    from keeprate.steps.worker_client import worker

    if csv is not None:
        check_answer_file(csv, csv_header(CLASSIFIED_COLUMNS[:2])[:-2])
    with at_work(quiet=quiet or as_json) as session, worker() as client:
        target = dest if dest is not None else Path("classified") / head
        outcome = do_classify(session, client, head, src, target, margin=margin, dry_run=dry_run)
    if csv is not None:
        _write_classified(outcome, csv)
    if as_json:
        print_json(outcome)
    else:
        _tell_classified(outcome, margin=margin, dry_run=dry_run, quiet=quiet)
    if not outcome.pictures:
        raise typer.Exit(1)


def _write_classified(outcome: ClassifyOutcome, target: Path) -> None:
    buckets = list(outcome.pictures[0].probabilities) if outcome.pictures else []
    rows = [
        [
            one.path, one.bucket or "", f"{one.score:.6f}", one.copied_to or "",
            *(f"{probability:.6f}" for probability in one.probabilities.values()),
        ]
        for one in outcome.pictures
    ]  # fmt: skip
    write_csv(target, [*CLASSIFIED_COLUMNS, *(f"p_{bucket}" for bucket in buckets)], rows)


def _tell_classified(outcome: ClassifyOutcome, *, margin: float, dry_run: bool, quiet: bool) -> None:
    from keeprate.steps.exchange.classifying import unreachable_buckets

    if quiet:
        return
    if dry_run:
        for one in outcome.pictures:
            typer.echo(printable(f"{one.bucket or 'uncertain'}  {_shares(one.probabilities)}  {one.path}"))
    width = max(map(len, outcome.counts))
    for name, count in outcome.counts.items():
        say(f"  {name:<{width}}  {count}")
    what = "would be classified" if dry_run else "classified"
    left_out = [
        f"{count} {noun}"
        for count, noun in ((outcome.subfolders, "sub-folders"), (outcome.other_files, "files that are no pictures"))
        if count
    ]
    say(f"{len(outcome.pictures)} pictures {what}{'; left out: ' + ' and '.join(left_out) if left_out else ''}.")
    if dry_run:
        say(f"{outcome.removed} copies of an earlier run would be removed from {outcome.destination}.")
    else:
        say(
            f"{outcome.copied} copied to {outcome.destination}, {outcome.unchanged} lay there already, "
            f"{outcome.removed} of an earlier run removed."
        )
        if outcome.along:
            say(f"{outcome.along} more files of the same shots lie beside them: RAW, edited copies, sidecars.")
    if outcome.orphaned:
        say(
            f"{outcome.orphaned} copies of earlier runs stay there although their pictures are not in the folder any "
            "more: they may be the only ones."
        )
    if outcome.pictures:
        buckets = tuple(outcome.pictures[0].probabilities)
        for bucket in unreachable_buckets(buckets, outcome.threshold, margin):
            say(
                f"Nothing can get into {bucket!r}: the threshold {outcome.threshold:.2f} is within {margin:g} of the "
                "end of the scale. A smaller --margin helps."
            )
    tell_unreadable(outcome.unreadable)


def _shares(probabilities: dict[str, float]) -> str:
    return ", ".join(f"{bucket} {share:.0%}" for bucket, share in probabilities.items())


def tell_unreadable(unreadable: tuple[Unreadable, ...]) -> None:
    """The files that could not be judged, each with its reason, on stderr."""
    if not unreadable:
        return
    lines = [f"{len(unreadable)} could not be read or copied:"]
    lines += [f"  {one.path}\n    {one.reason}" for one in unreadable[:UNREADABLE_SHOWN]]
    if len(unreadable) > UNREADABLE_SHOWN:
        lines.append("  … --json lists all")
    typer.echo(printable("\n".join(lines)), err=True)
