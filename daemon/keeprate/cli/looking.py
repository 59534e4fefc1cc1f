"""Looking at what keeprate knows: `status`, `list`, `why`."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, LibraryOption, print_json, print_table, printable, say
from keeprate.errors import KeeprateError, UsageError

if TYPE_CHECKING:
    from keeprate.service.session import Session
    from keeprate.service.status import HeadStatus, Status

PROBLEMS_SHOWN = 10


class Order(StrEnum):
    asc = "asc"
    desc = "desc"


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(status)
    app.command("list", rich_help_panel="Look")(list_photos)
    app.command(rich_help_panel="Look")(why)


def _session() -> Session:
    from keeprate.paths import locate_home
    from keeprate.service.session import open_session

    return open_session(locate_home())


def status(head: HeadOption = None, as_json: JsonOption = False) -> None:
    """How things stand: libraries, heads and how good they are, work left, problems."""
    from keeprate.service.status import status as state

    with _session() as session:
        now = state(session, head)
    if as_json:
        print_json(now)
    else:
        _show_status(now)


def _show_status(now: Status) -> None:
    from rich.table import Table

    if not now.libraries:
        say("No library yet: `keeprate init FOLDER` makes the first one.")
        return
    table = Table("Library", "Photos", "Reviewed", "Folder", "State", box=None, header_style="bold")
    for library in now.libraries:
        state = "online" if library.online else f"offline: {library.offline_reason}"
        table.add_row(library.name, str(library.photos), str(library.reviewed), printable(library.root), state)
    print_table(table)
    for head in now.heads:
        say("")
        _show_head(head)
    say("")
    say(f"Model     {now.model.name}, {now.model.cached} photos embedded")
    work = now.work
    waiting = [
        f"{work.to_embed} to embed",
        f"{work.to_score} to score",
        f"{work.label_changes} new labels to learn from",
    ]
    say(f"Waiting   {', '.join(waiting)}")
    if now.next_training and now.daemon.running:
        say(f"Training  {local(now.next_training)}, unless more is moved until then")
    say(
        f"Marks     {now.marks.standing} places"
        + (f"; last time {now.marks.last_write}" if now.marks.last_write else "")
    )
    say(f"Daemon    {f'running (process {now.daemon.pid})' if now.daemon.running else 'not running'}")
    if now.problems.count:
        say(f"\n{now.problems.count} problems (each is tried again when its file changes):")
        for problem in now.problems.list[:PROBLEMS_SHOWN]:
            say(f"  {problem.path}\n    {problem.step}: {problem.reason}")
        if now.problems.count > PROBLEMS_SHOWN:
            say("  … `keeprate status --json` lists more")


def local(at: str) -> str:
    """An ISO time as the person's clock shows it."""
    from datetime import datetime

    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M") if at else ""


def _show_head(head: HeadStatus) -> None:
    counts = ", ".join(f"{bucket} {count}" for bucket, count in head.labels.items())
    say(f"Head {head.name}: {counts}")
    if head.version is None:
        say(f"  not trained yet{f': {head.missing}' if head.missing else ''}")
    else:
        say(f"  version {head.version}, trained {local(head.trained_at or '')} on {head.model}: {head.reason}")
        for line in _metric_lines(head):
            say(f"  {line}")
    if head.last_attempt:
        say(f"  last attempt: {head.last_attempt}")


def _metric_lines(head: HeadStatus) -> list[str]:
    """How good the head is, on photos that it has not seen."""
    import json

    from keeprate.learning.metrics import Metrics

    if head.metrics is None:
        return []
    metrics = Metrics.from_json(json.dumps(head.metrics))
    low, high = metrics.roc_auc_interval.low, metrics.roc_auc_interval.high
    lines = [
        f"on {metrics.photos} photos in {metrics.groups} groups that it had not seen:",
        (
            f"  ROC AUC {metrics.roc_auc:.3f} (95 %: {low:.3f}–{high:.3f}), "
            f"calibration error {metrics.calibration_error:.3f}"
        ),
    ]
    if metrics.keepers_lost is not None:
        lines.append(
            f"  at the threshold {metrics.threshold:.2f}, {metrics.keepers_lost:.1%} of the keepers would be lost"
        )
    for bucket in metrics.buckets:
        first = next(iter(bucket.first), None)
        shown = f", {first.precision:.0%} of the first {first.count} shown" if first else ""
        lines.append(f"  {bucket.bucket}: precision {bucket.precision:.2f}, recall {bucket.recall:.2f}{shown}")
    return lines


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    path: str
    score: float
    head: str
    probabilities: dict[str, float]
    content_key: str
    label: str | None
    version: int
    """Of the head; 0: a first guess, nothing has been learned yet."""


def list_photos(
    head: HeadOption = None,
    order: Annotated[Order, typer.Option(help="desc: the most likely keepers first; asc: last.")] = Order.desc,
    top: Annotated[int | None, typer.Option("--top", "-n", min=1, help="Only the first N.")] = None,
    library: LibraryOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also photos that you have decided on already.")] = False,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.")] = None,
) -> None:
    """Photos by their score, those you have not decided on yet."""
    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise UsageError("Choose one of --json, --csv and --parquet.")
    with _session() as session:
        if library is not None:
            session.libraries(library)
        photos = _ranked(session, head, library, everything=everything)
    if order is Order.asc:
        photos.reverse()
    photos = photos[:top]
    if as_json:
        print_json([asdict(photo) for photo in photos])
    elif as_csv:
        _write_csv(photos)
    elif parquet is not None:
        _write_parquet(photos, parquet)
        say(f"{len(photos)} rows written to {parquet}.")
    else:
        for photo in photos:
            said = f"  [{photo.label}]" if photo.label else ""
            typer.echo(printable(f"{photo.score:.3f}  {photo.path}{said}"))
        if photos and photos[0].version == 0:
            from keeprate.service.first_guessing import SENTENCE

            typer.echo(f"This is {SENTENCE}.", err=True)
        if not photos:
            typer.echo("Nothing to show: no photo has a score yet, or you have decided on all of them.", err=True)


def _ranked(session: Session, head: str | None, library: str | None, *, everything: bool) -> list[ListedPhoto]:
    from keeprate.catalog import heads, labels, scores

    name = head or next(iter(session.heads()), None)
    if name is None:
        session.libraries()  # says that there is none
        return []
    buckets = session.heads(name)[name]
    version = heads.in_use(session.catalog, name)
    if version is not None:
        buckets = version.buckets
    said = {key: label.bucket for key, label in labels.current(session.catalog, name).items() if label.bucket}
    return [
        ListedPhoto(
            photo.paths[0], photo.score, name, dict(zip(buckets, photo.probabilities, strict=True)),
            photo.content_key, photo.label, photo.version,
        )
        for photo in scores.ranked(session.catalog, name, said, library)
        if everything or photo.label is None
    ]  # fmt: skip


def _write_csv(photos: list[ListedPhoto]) -> None:
    writer = csv.writer(sys.stdout)
    buckets = list(photos[0].probabilities) if photos else []
    writer.writerow(["path", "score", "head", *buckets, "content_key", "label", "version"])
    for photo in photos:
        shares = [f"{share:.6f}" for share in photo.probabilities.values()]
        writer.writerow(
            [
                printable(photo.path), f"{photo.score:.6f}", photo.head, *shares,
                photo.content_key, photo.label or "", photo.version,
            ]
        )  # fmt: skip


def _write_parquet(photos: list[ListedPhoto], target: Path) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise KeeprateError(
            "Writing Parquet needs pyarrow.", advice="pip install 'keeprate[parquet]', or use --csv."
        ) from error
    rows = [
        {"path": printable(photo.path), "score": photo.score, "head": photo.head}
        | {f"p_{bucket}": value for bucket, value in photo.probabilities.items()}
        | {"content_key": photo.content_key, "label": photo.label, "version": photo.version}
        for photo in photos
    ]
    try:
        parquet.write_table(arrow.Table.from_pylist(rows), target)
    except OSError as error:
        raise KeeprateError(f"The file cannot be written: {error.strerror or error}.", path=target) from error


def why(
    file: Annotated[Path, typer.Argument(help="A photo.")],
    head: HeadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a photo has its score: what was measured, and the nearest photos that you kept and deleted."""
    from keeprate.service.explaining import explain

    with _session() as session:
        found = explain(session, file, head)
    if as_json:
        print_json(found)
        return
    say(found.path)
    if found.score is None:
        say("  no score yet")
    else:
        shares = ", ".join(f"{bucket} {share:.0%}" for bucket, share in found.probabilities.items())
        say(f"  {found.head}: {shares}; number {found.rank} of {found.of}")
        if found.version == 0:
            from keeprate.service.first_guessing import SENTENCE

            say(f"  ({SENTENCE})")
    if found.label:
        say(f"  you put it into: {found.label}")
    if found.nearest:
        say(f"  most similar of those you decided on (by {found.model}):")
        for neighbour in found.nearest:
            say(f"    {neighbour.similarity:+.3f}  {neighbour.bucket:<8} {neighbour.path}")
    if found.signals:
        say("  measured:")
        for name, value in found.signals.items():
            say(f"    {name.replace('_', ' '):<24} {value:.4g}")
