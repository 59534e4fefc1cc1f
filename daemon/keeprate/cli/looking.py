"""Looking at what keeprate knows of photos: `list`, `why`."""

from __future__ import annotations

import csv
import io
import os
import sys
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, LibraryOption, print_json, printable, say
from keeprate.errors import KeeprateError, UsageError

if TYPE_CHECKING:
    from keeprate.plugin_api import BurstPlace
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
    library: str
    other_files: tuple[str, ...]
    """Further files of the photo: its copies, and those of the same shot (RAW, edited copies)."""
    burst: BurstPlace | None = None
    """Its place among those that are nearly the same; only with --groups."""


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
    with _session() as session:
        if library is not None:
            session.libraries(library)
        photos = _ranked(session, head, library, everything=everything)
        if order is Order.asc:
            photos.reverse()
        if groups:
            photos = _by_group(session, photos)
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


def _ranked(session: Session, head: str | None, library: str | None, *, everything: bool) -> list[ListedPhoto]:
    from keeprate.catalog import heads, scores
    from keeprate.steps.labels.shots import said_of_shots

    name = head or next(iter(session.heads()), None)
    if name is None:
        session.libraries()  # says that there is none
        return []
    buckets = session.heads(name)[name]
    version = heads.in_use(session.catalog, name)
    buckets = version.buckets if version else scores.guessed_for(session.catalog, name) or buckets
    libraries = session.libraries_of(name)
    said = {key: label.bucket for key, label in said_of_shots(session, name).of_photos().items() if label.bucket}
    return [
        ListedPhoto(
            photo.paths[0], photo.score, name, dict(zip(buckets, photo.probabilities, strict=True)),
            photo.content_key, photo.label, photo.version, photo.library,
            (*photo.paths[1:], *(path for path, _ in photo.companions)),
        )
        for photo in scores.ranked(session.catalog, name, said, library)
        if photo.library in libraries and (everything or photo.label is None)
    ]  # fmt: skip


def _by_group(session: Session, photos: list[ListedPhoto]) -> list[ListedPhoto]:
    """Each group in the place of its first photo, best first; what is alone stays where it is."""
    from keeprate.steps.photos.grouping_run import burst_places

    places = {
        (library, key): place
        for library in dict.fromkeys(photo.library for photo in photos)
        for key, place in burst_places(session, library, photos[0].head).items()
    }
    placed = [replace(photo, burst=places.get((photo.library, photo.content_key))) for photo in photos]
    together: dict[tuple[str, str], list[ListedPhoto]] = {}
    for photo in placed:
        group = photo.burst.burst if photo.burst is not None else photo.content_key
        together.setdefault((photo.library, group), []).append(photo)
    group_of_best = {id(min(group, key=_position)): group for group in together.values()}
    return [one for photo in placed for one in sorted(group_of_best.get(id(photo), ()), key=_position)]


def _position(photo: ListedPhoto) -> int:
    return photo.burst.position if photo.burst is not None else 0


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
