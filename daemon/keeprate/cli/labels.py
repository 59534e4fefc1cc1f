"""`labels`: what you said about your photos; what was probably a slip or not yours; in from files and out to them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, printable, say
from keeprate.errors import KeeprateError, UsageError

if TYPE_CHECKING:
    from keeprate.catalog.user_marks import Decision
    from keeprate.steps.labels.auditing import AuditOutcome, Suspect
    from keeprate.steps.labels.label_files import ImportOutcome

PROBLEMS_SHOWN = 20

labels_app = typer.Typer(help="What you said about your photos: by moving, by stars, in files.", no_args_is_help=True)

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")]


def register(app: typer.Typer) -> None:
    app.add_typer(labels_app, name="labels", rich_help_panel="Look")


@labels_app.command("list")
def list_labels(head: HeadOption = None, as_json: JsonOption = False) -> None:
    """Every label that counts, once a photo whatever files it has, also of photos that are deleted since."""
    from keeprate.paths import locate_home
    from keeprate.steps.labels.shots import said_of_shots
    from keeprate.steps.session import open_session
    from keeprate.steps.times import iso

    with open_session(locate_home()) as session:
        found = [label for name in session.heads(head) for label in said_of_shots(session, name).of_shot.values()]
    if as_json:
        print_json(found)
        return
    for label in found:
        typer.echo(
            printable(f"{label.bucket:<10} {label.source:<7} {iso(label.at)}  {label.path or label.content_key}")
        )
    if not found:
        typer.echo("No labels yet: move photos into a bucket's folder, or give them stars.", err=True)


@labels_app.command()
def audit(
    head: HeadOption = None,
    top: Annotated[
        int | None, typer.Option("--top", "-n", min=1, help="The N most doubtful; default: those probably wrong.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[Path | None, typer.Option("--csv", help="Write a CSV file (a new one).")] = None,
) -> None:
    """Photos that you probably put into the wrong bucket, with the evidence. It changes nothing."""
    from keeprate.paths import expanded, locate_home
    from keeprate.steps.labels.auditing import audit as do_audit
    from keeprate.steps.session import open_session

    with open_session(locate_home()) as session:
        session.libraries()  # says that there is none
        outcomes = do_audit(session, head, top)
    if as_csv is not None:
        _write_audit(outcomes, expanded(as_csv))
    if as_json:
        print_json(outcomes)
    elif as_csv is not None:
        say(f"{sum(len(outcome.suspects) for outcome in outcomes)} rows written to {as_csv}.")
    else:
        for outcome in outcomes:
            _show_audit(outcome)


def _show_audit(outcome: AuditOutcome) -> None:
    if outcome.photos:
        share = "none is" if not outcome.likely else f"{outcome.likely} {'is' if outcome.likely == 1 else 'are'}"
        say(f"{outcome.head}: of {outcome.photos} labels, {share} probably wrong (version {outcome.version}).")
    if outcome.remark:
        say(f"{outcome.head}: {outcome.remark}")
    for number, suspect in enumerate(outcome.suspects, start=1):
        _show_suspect(number, suspect)
    if outcome.suspects:
        say("\nNothing was changed. If you agree, move the photo into the other bucket; if not, leave it.")


def _show_suspect(number: int, suspect: Suspect) -> None:
    from keeprate.cli.showing_status import local
    from keeprate.steps.times import iso

    where = suspect.paths or (f"{suspect.lay_at or suspect.content_key} (deleted since)",)
    said = {"move": "moved there", "folder": "found there", "trash": "put into the trash", "csv": "from a file",
            "rating": "marked"}  # fmt: skip
    shares = suspect.probabilities
    say(f"\n{number}. {where[0]}")
    for copy in where[1:]:
        say(f"   also {copy}")
    say(
        f"   you: {suspect.said} ({said.get(suspect.source, suspect.source)} {local(iso(suspect.at))}); "
        f"the head, from all others: {suspect.instead} {shares[suspect.instead]:.0%}, "
        f"{suspect.said} {shares[suspect.said]:.0%}"
    )
    for neighbour in suspect.nearest:
        say(f"   {neighbour.similarity:+.3f} like {neighbour.bucket}: {neighbour.path}")


def _write_audit(outcomes: list[AuditOutcome], target: Path) -> None:
    from keeprate.safe_files import create_file
    from keeprate.steps.times import iso

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(
        ["head", "image", "said", "source", "at", "instead", "p_said", "p_instead", "likely", "content_key"]
    )
    for outcome in outcomes:
        for one in outcome.suspects:
            shares = [f"{one.probabilities[bucket]:.6f}" for bucket in (one.said, one.instead)]
            place = one.paths[0] if one.paths else one.lay_at or ""
            writer.writerow(
                [
                    outcome.head, place, one.said, one.source, iso(one.at), one.instead, *shares,
                    "yes" if one.likely else "no", one.content_key,
                ]
            )  # fmt: skip
    try:
        create_file(target, text.getvalue().encode("utf-8", "surrogateescape"))
    except FileExistsError as error:
        raise UsageError("There is a file already; it was left as it is.", path=target) from error
    except OSError as error:
        raise KeeprateError(f"The file cannot be written: {error.strerror or error}.", path=target) from error


@labels_app.command()
def held(as_json: JsonOption = False) -> None:
    """Stars, flags and keywords that may not be yours, and are not learned until you say so."""
    from keeprate.cli.showing_status import local
    from keeprate.paths import locate_home
    from keeprate.steps.marks.held_marks import held_groups
    from keeprate.steps.session import open_session

    with open_session(locate_home()) as session:
        session.libraries()  # says that there is none
        groups = held_groups(session)
    if as_json:
        print_json(groups)
        return
    for group in groups:
        when = local(group.first_at)
        if local(group.last_at) != when:
            when += f" to {local(group.last_at)}"
        say(f"{group.id}  {group.photos} photos with {group.value}, {when}, in {group.folder}")
        say(f"        {group.reason}")
        say(f"        such as {', '.join(Path(path).name for path in group.examples)}")
    if groups:
        say("\nAre they yours? `keeprate labels accept ID` learns them, `keeprate labels ignore ID` never asks again.")
    else:
        say("Nothing is held back.")


HeldGroups = Annotated[list[str] | None, typer.Argument(help="From `keeprate labels held`.", metavar="ID…")]
AllOption = Annotated[bool, typer.Option("--all", help="Everything that is held back.")]


@labels_app.command()
def accept(groups: HeldGroups = None, everything: AllOption = False, as_json: JsonOption = False) -> None:
    """These marks are yours: learn them."""
    from keeprate.catalog.user_marks import Decision

    _answer(groups, everything, Decision.ACCEPTED, as_json)


@labels_app.command()
def ignore(groups: HeldGroups = None, everything: AllOption = False, as_json: JsonOption = False) -> None:
    """These marks are not yours: learn nothing from them, and do not ask again. They stay where they are."""
    from keeprate.catalog.user_marks import Decision

    _answer(groups, everything, Decision.IGNORED, as_json)


def _answer(groups: list[str] | None, everything: bool, decision: Decision, as_json: bool) -> None:
    from keeprate.cli.at_work import at_work
    from keeprate.steps.marks.held_marks import answer

    if bool(groups) == everything:
        raise UsageError("Say which: either IDs from `keeprate labels held`, or --all.")
    with at_work(quiet=as_json) as session:
        session.libraries()  # says that there is none
        outcome = answer(session, groups or [], decision, everything=everything)
    if as_json:
        print_json(outcome)
        return
    say(f"{outcome.values} marks {decision.value}, {outcome.labels} label changes; {outcome.still_held} photos wait.")


@labels_app.command("import")
def import_labels(
    file: Annotated[Path, typer.Argument(help="A CSV with a header, or a score.json.")],
    head: HeadOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take over labels from a CSV: `image,label`, `image,head,label`, or `image` and a column for each head.

    Paths are absolute, or relative to the file or to a library. A photo that you move later goes by its new place.
    """
    from keeprate.cli.at_work import at_work
    from keeprate.steps.labels.label_files import import_labels as do_import

    with at_work(quiet=as_json) as session:
        session.libraries()  # says that there is none
        outcome = do_import(session, file, head, dry_run=dry_run)
    if as_json:
        print_json(outcome)
    else:
        _show_import(outcome)
    if outcome.problems and not outcome.total and not outcome.unchanged:
        raise typer.Exit(1)


def _show_import(outcome: ImportOutcome) -> None:
    for problem in outcome.problems[:PROBLEMS_SHOWN]:
        typer.echo(printable(f"{outcome.file}:{problem.line}: {problem.what}"), err=True)
    if len(outcome.problems) > PROBLEMS_SHOWN:
        typer.echo(f"… and {len(outcome.problems) - PROBLEMS_SHOWN} more lines; --json lists all.", err=True)
    would = "would be " if outcome.dry_run else ""
    by_head = ", ".join(f"head {head}: {count}" for head, count in outcome.imported.items())
    say(
        f"{outcome.total} {outcome.kind} {would}imported{f' ({by_head})' if by_head else ''}, "
        f"{outcome.unchanged} stood already, {outcome.blank} empty, {len(outcome.problems)} left out."
    )
    if outcome.kind == "scores":
        say("Scores are kept for heads that rank; nothing learns from them yet.")


@labels_app.command("export")
def export_labels(
    file: Annotated[Path, typer.Argument(help="The CSV file to make; an existing one is left alone.")],
    head: HeadOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every label that counts as CSV, which `labels import` reads back."""
    from keeprate.paths import locate_home
    from keeprate.steps.labels.label_files import export_labels as do_export
    from keeprate.steps.session import open_session

    with open_session(locate_home()) as session:
        session.libraries()  # says that there is none
        outcome = do_export(session, file, head)
    if as_json:
        print_json(outcome)
        return
    say(f"{outcome.labels} labels written to {outcome.file}.")
    if outcome.nowhere:
        say(f"{outcome.nowhere} more are of photos that nobody knows the place of; they were left out.")


@labels_app.command("forget")
def forget_labels(
    photos: Annotated[list[Path] | None, typer.Argument(help="Photos, where they lie or lay.", metavar="FILE…")] = None,
    gone: Annotated[bool, typer.Option("--gone", help="All photos of which no file is left.")] = False,
    head: Annotated[str | None, typer.Option("--head", help="Only what this head knows of them.")] = None,
    dry_run: DryRunOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget photos: their labels, scores and vectors. No file is touched.

    What you sorted goes on teaching after the file is deleted, and mostly that is what you want: what you threw away
    is what keeprate learns from. This is for photos that it should never have learned from.
    """
    from keeprate.cli.at_work import at_work
    from keeprate.paths import locate_home
    from keeprate.steps.labels.forgetting import forget, gone_photos, photos_of
    from keeprate.steps.session import open_session

    if bool(photos) == gone:
        raise UsageError("Say which photos: either files, or --gone.")
    with open_session(locate_home()) as session:  # nobody else has to wait for the answer
        session.libraries()  # says that there is none
        keys = gone_photos(session) if gone else photos_of(session, photos or [])
        outcome = forget(session, keys, head, dry_run=True)
    if outcome.photos and not dry_run:
        if not yes:
            typer.confirm(
                f"Forget {outcome.photos} photos for good, {outcome.labels} of them with a label?",
                abort=True, err=True,
            )  # fmt: skip
        with at_work(quiet=as_json) as session:
            if gone:  # what has come back since is not
                keys = sorted(set(keys) & set(gone_photos(session)))
            outcome = forget(session, keys, head)
    if as_json:
        print_json(outcome)
        return
    say(f"{outcome.photos} photos {'would be ' if dry_run else ''}forgotten, {outcome.labels} of them with a label.")
    if outcome.labels:
        say("What heads learned from them stays until the next training; `keeprate clean` takes a head out of use now.")
    if outcome.still_there:
        say(
            f"{len(outcome.still_there)} of their files are still there: they are looked at again, and those in a "
            "bucket's folder are learned from again. Move them out first."
        )
