"""Looking at what keeprate knows of photos: `list`, `why`."""

from __future__ import annotations

import csv
import io
import os
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, LibraryOption, print_json, printable, say
from keeprate.errors import KeeprateError, UsageError

if TYPE_CHECKING:
    from keeprate.steps.heads.listing import ListedPhoto
    from keeprate.steps.session import Session


PARQUET_MARK = b"PAR1"
"""Parquet files begin with it: only such a one is replaced by `list --parquet`."""


class Order(StrEnum):
    asc = "asc"
    desc = "desc"


def register(app: typer.Typer) -> None:
    app.command("list", rich_help_panel="Look")(list_photos)
    app.command(rich_help_panel="Look")(why)


def _session() -> Session:
    from keeprate.paths import locate_home
    from keeprate.steps.session import open_session

    return open_session(locate_home())


def list_photos(
    head: HeadOption = None,
    order: Annotated[Order, typer.Option(help="desc: the most likely keepers first; asc: last.")] = Order.desc,
    top: Annotated[int | None, typer.Option("--top", "-n", min=1, help="Only the first N.")] = None,
    library: LibraryOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also photos that you have decided on already.")] = False,
    groups: Annotated[
        bool, typer.Option("--groups", help="Photos that are nearly the same together, below the best of them.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.")] = None,
) -> None:
    """Photos by their score, those you have not decided on yet."""
    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise UsageError("Choose one of --json, --csv and --parquet.")
    from keeprate.steps.heads.listing import by_group, listed

    with _session() as session:
        if library is not None:
            session.libraries(library)
        photos = listed(session, head, library, everything=everything)
        if order is Order.asc:
            photos.reverse()
        if groups:
            photos = by_group(session, photos)
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
            below = "   " if photo.burst is not None and photo.burst.position > 1 else ""
            typer.echo(printable(f"{below}{photo.score:.3f}  {photo.path}{said}"))
        if photos and photos[0].version == 0:
            from keeprate.steps.heads.first_guessing import SENTENCE

            typer.echo(f"This is {SENTENCE}.", err=True)
        if not photos:
            typer.echo("Nothing to show: no photo has a score yet, or you have decided on all of them.", err=True)


def _write_csv(photos: list[ListedPhoto]) -> None:
    writer = csv.writer(sys.stdout)
    buckets = list(photos[0].probabilities) if photos else []
    writer.writerow(
        [
            "path", "score", "head", *buckets, "content_key", "label", "version", "library", "other_files",
            "burst_position", "burst_size",
        ]
    )  # fmt: skip
    for photo in photos:
        shares = [f"{share:.6f}" for share in photo.probabilities.values()]
        writer.writerow(
            [
                printable(photo.path), f"{photo.score:.6f}", photo.head, *shares,
                photo.content_key, photo.label or "", photo.version, photo.library,
                os.pathsep.join(map(printable, photo.other_files)),  # each begins with a slash: ":/" tells them apart
                *((photo.burst.position, photo.burst.size) if photo.burst else ("", "")),
            ]
        )  # fmt: skip


def _write_parquet(photos: list[ListedPhoto], target: Path) -> None:
    from keeprate.cli.answer_files import write_answer
    from keeprate.paths import expanded

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
    data = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows), data)
    write_answer(expanded(target), data.getvalue(), PARQUET_MARK)


def why(
    file: Annotated[Path, typer.Argument(help="A photo.")],
    head: HeadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a photo has its score: what was measured, and the nearest photos that you kept and deleted."""
    from keeprate.steps.heads.explaining import explain

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
            from keeprate.steps.heads.first_guessing import SENTENCE

            say(f"  ({SENTENCE})")
    if found.label:
        of = f" (said of {found.said_of})" if found.said_of else ""
        say(f"  you put it into: {found.label}{of}")
    for companion in found.companions:
        say(f"  of the same shot: {companion}")
    for mark in found.marks:
        say(f"  marked in a viewer: {', '.join(mark.said)}{'' if mark.path == found.path else f' ({mark.path})'}")
    if found.nearest:
        say(f"  most similar of those you decided on (by {found.model}):")
        for neighbour in found.nearest:
            say(f"    {neighbour.similarity:+.3f}  {neighbour.bucket:<8} {neighbour.path}")
    if found.signals:
        say("  measured:")
        for name, value in found.signals.items():
            say(f"    {name.replace('_', ' '):<24} {value:.4g}")
