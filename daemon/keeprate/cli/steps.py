"""The steps, one at a time or all in order: scan, embed, train, score, write, sync, undo."""

from __future__ import annotations

from typing import Annotated

import typer

from keeprate.cli.at_work import at_work
from keeprate.cli.output import (
    HeadOption,
    JsonOption,
    LibraryOption,
    QuietOption,
    print_json,
    printable,
    say,
)
from keeprate.cli.pauses import taken_back_for_good, writing_pause
from keeprate.cli.running_daemon import unreachable
from keeprate.errors import UsageError
from keeprate.steps.tasks import PlannedMark, TrainOutcome

PANEL = "Work"
REASONS_SHOWN = 10


def register(app: typer.Typer) -> None:
    for command in (sync, scan, embed, train, score, write, undo):
        app.command(rich_help_panel=PANEL)(command)


def sync(library: LibraryOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Do everything once, in order: scan, embed, train, score, write. For cron, or without a service."""
    from keeprate.steps.syncing import sync as do_sync
    from keeprate.steps.worker_client import worker

    with at_work(quiet=quiet or as_json) as session, worker() as client:
        outcome = do_sync(session, client, library)
        pause = writing_pause(session)
    if as_json:
        print_json(outcome)
        return
    for sentence in (*outcome.sentences(), *pause):
        say(sentence, quiet=quiet)


def scan(library: LibraryOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Look at every folder now and note what is new, moved or gone, and what stars, flags and keywords say."""
    from keeprate.steps.marks.reading_marks_run import read_marks
    from keeprate.steps.photos.scanning import scan as do_scan
    from keeprate.steps.worker_client import worker

    with at_work(quiet=quiet or as_json) as session, worker() as client:
        outcome = do_scan(session, library)
        marks = read_marks(session, client, library)
    if as_json:
        print_json({"libraries": outcome.libraries, "marks": marks})
        return
    for sentence in (outcome.sentence(), *marks.sentences()):
        say(sentence, quiet=quiet)


def embed(
    library: LibraryOption = None,
    head: Annotated[str | None, typer.Option("--head", help="Only the libraries with this head.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what could not be read before.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Give every photo its vector by the active model; photos that have one are skipped."""
    from keeprate.catalog import files, problems
    from keeprate.steps.exchange.workspace_steps import look_first
    from keeprate.steps.photos.embedding_run import embed_all
    from keeprate.steps.photos.scanning import scan as do_scan
    from keeprate.steps.surviving import added
    from keeprate.steps.tasks import EmbedOutcome
    from keeprate.steps.worker_client import worker

    with at_work(quiet=quiet or as_json) as session, worker() as client:
        chosen: list[str | None] = [library]
        if head is not None:
            session.heads(head)
            chosen = [one.name for one in session.libraries(library) if head in one.heads]
        session.libraries(library)
        look_first(session)
        if retry:
            for step in ("decode", "embed", "thumbnail"):
                problems.forgive(session.catalog, step)
            if files.read_again(session.catalog):
                do_scan(session, library)
        outcome = EmbedOutcome()
        for name in chosen:
            outcome = added(outcome, embed_all(session, client, name))
    if as_json:
        print_json(outcome)
        return
    rate = f" ({outcome.embedded / outcome.seconds:.1f}/s on {outcome.device})" if outcome.embedded else ""
    failed = f"; {outcome.failed} could not be read, see `keeprate status`" if outcome.failed else ""
    looked = f", {outcome.looked} more looked at (they had a vector)" if outcome.looked else ""
    say(f"{outcome.embedded} photos embedded{rate}{looked}{failed}.", quiet=quiet)
    if outcome.note:
        say(outcome.note, quiet=quiet)


def train(
    head: HeadOption = None,
    threshold: Annotated[
        float | None, typer.Option(help="Use this threshold (between 0 and 1) instead of the best one.")
    ] = None,
    keepers_lost: Annotated[
        float | None,
        typer.Option(help="Choose the threshold below which at most this share of the keepers falls, such as 0.01."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="How often you keep a photo: “labels” (as among them), “estimate”, or a share such as 0.1."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train even if nothing has changed.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Learn from the labels: a new head is taken into use only if it is better on photos it has not seen."""
    from keeprate.steps.exchange.workspace_steps import prepare
    from keeprate.steps.heads.priors import parse_prior
    from keeprate.steps.heads.scoring import score as do_score
    from keeprate.steps.heads.training_run import TrainingWishes, train_heads
    from keeprate.steps.worker_client import worker

    _check_share("threshold", threshold)
    _check_share("share of keepers lost", keepers_lost)
    wishes = TrainingWishes(threshold, keepers_lost, None if prior is None else parse_prior(prior), force)
    with at_work(quiet=quiet or as_json) as session, worker() as client:
        prepared = prepare(session, client, head)
        outcomes = train_heads(session, client, head, wishes)
        for outcome in outcomes:
            if outcome.promoted:
                do_score(session, outcome.head)  # else there would be no order until the next `score` or `sync`
    if as_json:
        print_json(outcomes)
        return
    if session.home.workspace is None and not any(outcome.trained for outcome in outcomes):
        say("Labels are as they were when folders were last looked at; `keeprate sync` looks first.", quiet=quiet)
    if prepared is not None and prepared.note:
        say(prepared.note, quiet=quiet)
    for outcome in outcomes:
        say(f"{outcome.head}: {outcome.reason}", quiet=quiet)
        for line in _also(outcome):
            say(f"  {line}", quiet=quiet)


def _check_share(what: str, value: float | None) -> None:
    if value is not None and not 0.0 < value < 1.0:
        raise UsageError(f"The {what} {value:g} is not between 0 and 1.")


def _also(outcome: TrainOutcome) -> list[str]:
    """What a training found out beside the verdict."""
    if not outcome.trained or outcome.details is None:
        return []
    lines = []
    told = outcome.details["ungrouped_roc_auc"]
    if outcome.metrics is not None and told is not None:
        lines.append(
            f"{outcome.details['groups']} groups of photos that belong together; torn apart, the ROC AUC would "
            f"have been {told:.3f} instead of {outcome.metrics['roc_auc']:.3f}."
        )
    if outcome.candidates:
        first, *others = (f"{one['name']} ({one['log_loss']:.3f})" for one in outcome.candidates)
        lines.append(f"Chosen by log loss and simplicity: {first}; compared with {', '.join(others)}.")
    prior = outcome.details["prior"]
    if prior["source"] != "labels":
        lines.append(f"Prior ({prior['source']}): {prior['shares'][0]:.1%} instead of {prior['label_shares'][0]:.1%}.")
    if outcome.details["checkpoint_note"]:
        lines.append(outcome.details["checkpoint_note"])
    return lines


def score(head: HeadOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Score every photo by the heads in use."""
    from keeprate.steps.heads.scoring import score as do_score

    with at_work(quiet=quiet or as_json) as session:
        outcome = do_score(session, head)
    for sentence in outcome.failed:
        typer.echo(printable(sentence), err=True)
    if as_json:
        print_json(outcome)
        return
    say(f"{outcome.scored} scores brought up to date.", quiet=quiet)
    if outcome.guessed:
        say(f"{outcome.guessed} photos have a first guess: nothing has been learned yet.", quiet=quiet)


def write(
    library: LibraryOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show every change, make none.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write marks where your viewer sorts by them. Everything is journalled; `keeprate undo` takes it back."""
    from keeprate.steps.marks.marking_run import write_all
    from keeprate.steps.tasks import counted
    from keeprate.steps.worker_client import worker

    with at_work(quiet=quiet or as_json) as session, worker() as client:
        session.libraries(library)
        outcome = write_all(session, client, library, dry_run=dry_run)
        pause = writing_pause(session)
    if as_json:
        print_json(outcome)
        return
    if dry_run:
        for mark in outcome.planned:
            typer.echo(printable(f"{mark.path}: {mark.summary}"))
        say(f"{len(outcome.planned)} changes would be made.", quiet=quiet)
        if not quiet:
            _tell_reasons(outcome.left_alone, outcome.skipped, "would be left alone")
        return
    say(f"{counted(outcome.written, 'mark')} written.", quiet=quiet)
    if outcome.removed:
        say(outcome.removed_sentence, quiet=quiet)
    if not quiet:
        _tell_reasons(outcome.left_alone, outcome.refused + outcome.skipped, "left alone")
    for sentence in pause:
        say(sentence, quiet=quiet)


def undo(
    run: Annotated[int | None, typer.Option("--run", help="Take back this write run; default: the last one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take back every mark ever written.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be taken back.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Take marks back: what keeprate wrote goes, what you wrote stays.

    A daemon writes none until `keeprate resume write`: else they would be back within seconds.
    """
    from keeprate.catalog import journal
    from keeprate.steps.tasks import UndoOutcome, UndoTask, counted
    from keeprate.steps.worker_client import worker

    if everything and run is not None:
        raise UsageError("--all and --run cannot both be given.")
    with at_work(quiet=quiet or as_json) as session:
        if run is not None and not journal.is_write_run(session.catalog, run):
            raise UsageError(f"There is no write run {run}.", advice="Without --run it is the last one.")
        chosen = None if everything else run if run is not None else journal.last_write_run(session.catalog)

        def take_back() -> UndoOutcome:
            with worker() as client:
                done = client.run(UndoTask(chosen, dry_run), session.reporter)
            assert isinstance(done, UndoOutcome)  # noqa: S101 (the worker answers in kind)
            return done

        if chosen is None and not everything:
            outcome = UndoOutcome()
        else:
            outcome = take_back() if dry_run else taken_back_for_good(session, take_back)
    if as_json:
        print_json(outcome)
    elif dry_run:
        for mark in outcome.planned:
            typer.echo(printable(f"{mark.path}: {mark.field} {mark.summary}"))
        say(f"Our marks at {counted(len(outcome.planned), 'place')} would be taken back.", quiet=quiet)
    else:
        say(
            f"{counted(outcome.restored, 'place')} restored to the byte, {outcome.removed_ours} freed of our marks "
            f"(changed by others since), {outcome.not_ours + outcome.gone} had nothing of ours left.",
            quiet=quiet,
        )
        if not quiet:
            _tell_reasons(outcome.failures, outcome.failed, "could not be taken back")
            if outcome.restored + outcome.removed_ours:
                say(
                    "A daemon writes no marks until `keeprate resume write`; `keeprate write` and `sync` make them "
                    "anew, unless the config asks for none."
                )
                if sentence := unreachable(session.home):
                    say(sentence)
    if outcome.failed:
        raise typer.Exit(1)


def _tell_reasons(marks: tuple[PlannedMark, ...], total: int, what: str) -> None:
    """The reasons, most frequent first, each with one example."""
    by_reason: dict[str, list[PlannedMark]] = {}
    for mark in marks:
        by_reason.setdefault(mark.summary, []).append(mark)
    if total:
        say(f"{total} {what}:")
    for reason, group in sorted(by_reason.items(), key=lambda item: -len(item[1]))[:REASONS_SHOWN]:
        say(f"  {len(group):>5} × {reason}, such as {group[0].path}")
