"""`heads`: what was learned, when, and which version is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, print_table, say

if TYPE_CHECKING:
    from keeprate.catalog.heads import HeadVersion
    from keeprate.catalog.models import Model

CANDIDATES_SHOWN = 8

heads_app = typer.Typer(help="What was learned: versions, history, going back.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(heads_app, name="heads", rich_help_panel="Look")


@heads_app.command("list")
def list_heads(as_json: JsonOption = False) -> None:
    """The heads, their labels and the version in use."""
    from rich.table import Table

    from keeprate.paths import locate_home
    from keeprate.service.status import status
    from keeprate.steps.session import open_session

    with open_session(locate_home()) as session:
        found = status(session).heads
    if as_json:
        print_json(list(found))
        return
    table = Table("Head", "Labels", "Version", "Trained", "Model", box=None, header_style="bold")
    for head in found:
        counts = ", ".join(f"{bucket} {count}" for bucket, count in head.labels.items())
        table.add_row(head.name, counts, str(head.version or "–"), head.trained_at or "–", head.model or "–")
    print_table(table)


@heads_app.command()
def history(
    head: HeadOption = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the learning curve of the head given by --head (PNG).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Every training: what was compared, how good it was, and why it was taken into use or not."""
    from keeprate.catalog import heads
    from keeprate.cli.answer_files import check_answer_file, write_answer
    from keeprate.errors import UsageError
    from keeprate.paths import locate_home
    from keeprate.plots.figure import MARK, check_matplotlib
    from keeprate.steps.session import open_session

    if plot is not None:
        if head is None:
            raise UsageError("A learning curve is of one head.", advice="Name it with --head.")
        check_matplotlib()
        check_answer_file(plot, MARK)
    with open_session(locate_home()) as session:
        versions = [one for name in session.heads(head) for one in heads.history(session.catalog, name)]
    if plot is not None:
        from keeprate.plots.learning_curve import draw_learning_curve

        write_answer(plot, draw_learning_curve(versions), MARK)
    if as_json:
        print_json(versions)
        return
    for one in versions:
        _tell(one)
    if not versions:
        say("Nothing has been trained yet.")


def _tell(version: HeadVersion) -> None:
    from keeprate.steps.times import iso

    counts = ", ".join(f"{bucket} {count}" for bucket, count in version.label_counts.items())
    used = " (in use)" if version.in_use else ""
    say(f"{version.head} {version.version}{used}, {iso(version.trained_at)}, {counts}")
    say(f"  {version.reason}")
    for number, candidate in enumerate(version.candidates):
        penalty = "" if candidate["penalty"] is None else f", penalty {candidate['penalty']:g}"
        say(
            f"  {'chosen  ' if candidate['chosen'] else 'compared'} {candidate['name']}{penalty}: "
            f"log loss {candidate['log_loss']:.3f}, ROC AUC {candidate['roc_auc']:.3f}"
        )
        if number == CANDIDATES_SHOWN:
            break


@heads_app.command()
def rollback(
    head: Annotated[str, typer.Option(help="The head.")],
    version: Annotated[int | None, typer.Option(help="Which version; default: the one used before.")] = None,
) -> None:
    """Go back to an earlier version of a head; photos are scored and marked by it from now on."""
    from keeprate.catalog import heads, models
    from keeprate.cli.at_work import at_work
    from keeprate.errors import UsageError
    from keeprate.learning.heads import load_head
    from keeprate.steps.exchange.exporting import stand_in_file, write_exchange
    from keeprate.steps.heads.scoring import head_of, score

    with at_work(quiet=False) as session:
        session.heads(head)
        active = models.active(session.catalog)
        if version is None:
            current = heads.in_use(session.catalog, head)
            earlier = [
                one.version
                for one in heads.history(session.catalog, head)
                if one.promoted and one.file is not None and current is not None and one.version < current.version
                and one.model_id == active.id
            ]  # fmt: skip
            if not earlier:
                raise UsageError(f"The head {head!r} has no earlier version on {active.name} to go back to.")
            version = earlier[0]
        _check_model(heads.history(session.catalog, head), version, models.all_models(session.catalog), active)
        chosen = heads.use(session.catalog, head, version)
        scored = score(session, head).scored
        model = next(one.name for one in models.all_models(session.catalog) if one.id == chosen.model_id)
        kept = stand_in_file(session.home.heads_dir / str(chosen.file))
        stand_in = load_head(kept) if kept.is_file() else None
        checkpoint = write_exchange(session, head_of(session, chosen), model, stand_in)
    say(f"{head} is at version {chosen.version} again; {scored} scores brought up to date.")
    say(checkpoint.note)


def _check_model(history: list[HeadVersion], version: int, registered: list[Model], active: Model) -> None:
    """Raise UsageError if a version was trained on another model than the active one: it could score no new photo."""
    from keeprate.errors import UsageError

    chosen = next((one for one in history if one.version == version), None)
    model = None if chosen is None else next((one for one in registered if one.id == chosen.model_id), None)
    if model is not None and model.id != active.id:
        raise UsageError(
            f"Version {version} was trained on {model.name}, and {active.name} is active: it could score no new photo.",
            advice=f"`keeprate model activate {model.name}` first.",
        )
