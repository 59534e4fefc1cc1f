"""`status`: how things stand, for a person. The table and the lines of one head are headmaster's, and then ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from keeprate.cli.output import HeadOption, JsonOption, print_json, print_table, printable, say
from keeprate.cli.running_daemon import daemon_of
from keeprate.cli.showing_jobs import daemon_lines, has_something_to_tell, show_jobs

if TYPE_CHECKING:
    from keeprate.learning.metrics import Metrics
    from keeprate.paths import Home
    from keeprate.service.status import HeadStatus, Status

PROBLEMS_SHOWN = 10
BUCKETS_WIDTH = 33
KINDS = {
    "logistic": "linear (logistic regression)", "mlp": "network (256-128)", "prototypes": "prototypes",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(status)


def status(head: HeadOption = None, as_json: JsonOption = False) -> None:
    """How things stand: libraries, heads and how good they are, work left, problems. With --head: one in detail."""
    from keeprate.paths import locate_home

    now = state_of(locate_home(), head)
    if as_json:
        print_json(now)
    elif head is not None:
        looked_at = _looked_at(now)
        for line in detail(now.heads[0], looked_at=looked_at):
            say(line)
        if not looked_at:
            say(f"\n{_not_looked_at(now)}")
    else:
        _show(now)


def state_of(home: Home, head: str | None) -> Status:
    """How things stand: the running daemon knows it, else the catalog does."""
    from keeprate.errors import DaemonNotRunningError

    with suppress(DaemonNotRunningError):  # it ended just now
        client = daemon_of(home)
        if client is not None:
            with client:
                return client.status(head)
    from keeprate.service.status import status as state
    from keeprate.steps.session import open_session

    with open_session(home) as session:
        return state(session, head)


def _show(now: Status) -> None:
    if not now.libraries:
        what = "The workspace has no head yet" if now.workspace else "No library yet"
        how = f"make {now.workspace}/heads/HEAD/BUCKET/" if now.workspace else "`keeprate init FOLDER`"
        say(f"{what}: {how} makes the first one.")
        return
    from rich.table import Table

    table = Table("Library", "Photos", "Reviewed", "Folder", "State", box=None, header_style="bold")
    for library in now.libraries:
        state = "online" if library.online else f"offline: {library.offline_reason}"
        table.add_row(library.name, str(library.photos), str(library.reviewed), printable(library.root), state)
    print_table(table)
    say("")
    for line in summary(now.heads):
        say(line)
    say("")
    if _looked_at(now):
        for head in now.heads:
            say(_decision(head))
    else:
        say(_not_looked_at(now))
    say("")
    _show_work(now)


def _looked_at(now: Status) -> bool:
    """Whether anything is known of any folder: before, every count is 0 and means nothing."""
    return any(library.scanned_at is not None for library in now.libraries)


def _not_looked_at(now: Status) -> str:
    does = "`keeprate embed` or `keeprate train` does it" if now.workspace else "`keeprate sync` does it"
    return f"The folders were not looked at yet: {does}."


def _show_work(now: Status) -> None:
    from keeprate.steps.tasks import counted

    say(f"Model     {now.model.name}, {now.model.cached} photos embedded")
    work = now.work
    looks = f"{work.to_look} to look at once more, " if work.to_look else ""
    say(
        f"Waiting   {work.to_embed} to embed, {looks}{work.to_score} to score, "
        f"{work.label_changes} new labels to learn from"
    )
    if now.groups:
        say(f"Groups    {now.groups} of photos that are nearly the same: `keeprate groups`")
    if now.next_training and now.daemon.running:
        say(f"Training  {local(now.next_training)}, unless more is moved until then")
    last = f"; last time {now.marks.last_write}" if now.marks.last_write else ""
    say(f"Marks     {counted(now.marks.standing, 'place')}{last}")
    if now.held:
        say(f"Held back stars or flags of {now.held} photos, until you say whose they are: `keeprate labels held`")
    _show_daemon(now)
    if now.problems.count:
        say(f"\n{now.problems.count} problems (each is tried again when its file changes):")
        for problem in now.problems.list[:PROBLEMS_SHOWN]:
            say(f"  {problem.path}\n    {problem.step}: {problem.reason}")
        if now.problems.count > PROBLEMS_SHOWN:
            say("  … `keeprate status --json` lists more")


def _show_daemon(now: Status) -> None:
    if now.live is not None:
        for line in daemon_lines(now.live):
            say(line)
    elif now.daemon.running:
        say(f"Daemon    running (process {now.daemon.pid}), and cannot be reached: `keeprate service restart`")
    else:
        say("Daemon    not running")
    if now.daemon.running or any(map(has_something_to_tell, now.jobs)):
        say("")
        show_jobs(now.jobs, brief=True, running=now.daemon.running)


def summary(heads: tuple[HeadStatus, ...]) -> Iterator[str]:
    """One line a head, in headmaster's columns."""
    width = max([len("HEAD"), 14, *(len(head.name) for head in heads)])
    yield f"{'HEAD':<{width}}  {'TYPE':<10}  {'BUCKETS':<{BUCKETS_WIDTH}}{'IMAGES':>6}  {'TRAINED':<7}  F1"
    for head in heads:
        f1 = "—" if head.f1 is None else f"{head.f1:.2f}"
        trained = "no" if head.version is None else "yes"
        yield (
            f"{head.name:<{width}}  {_type(head):<10}  {_shortened(head):<{BUCKETS_WIDTH}}{head.images:>6}  "
            f"{trained:<7}  {f1}"
        )


def _type(head: HeadStatus) -> str:
    return head.type if len(head.buckets) > 1 else "—"


def _shortened(head: HeadStatus) -> str:
    """`positive(45) negative(312)`, as many as fit."""
    items = [f"{bucket}({head.labels[bucket]})" for bucket in head.buckets]
    whole = " ".join(items)
    if len(whole) < BUCKETS_WIDTH:
        return whole
    while len(items) > 1 and len(" ".join(items)) + 3 >= BUCKETS_WIDTH:
        items.pop()
    return " ".join(items)[: BUCKETS_WIDTH - 4] + "..."


def _decision(head: HeadStatus) -> str:
    """Why the head is as it is."""
    if head.version is None:
        said = f"{head.name}: not trained yet{f': it {head.missing}' if head.missing else ''}"
        if head.first_guess:
            from keeprate.steps.heads.first_guessing import SENTENCE

            said += f"\n  the order is {SENTENCE}"
    else:
        model = head.model or "a model that is not registered any more: `keeprate train` makes a new version"
        trained = f"version {head.version}, trained {local(head.trained_at or '')} on {model}"
        said = f"{head.name}: {trained}: {head.reason}"
        if head.learned_buckets:
            said += (
                f"\n  its buckets changed since: it knows {', '.join(head.learned_buckets)} until it is trained anew"
            )
    if head.last_attempt:
        said += f"\n  last attempt: {head.last_attempt}"
        if head.version is None:
            said += "\n  what helps: more labels, or a model that sees more (`keeprate model list --known`)"
    return said


def detail(head: HeadStatus, *, looked_at: bool = True) -> Iterator[str]:
    """Headmaster's lines, then ours; what is missing only if its folders were `looked_at`."""
    from keeprate.learning.metrics import Metrics

    metrics = None if head.metrics is None else Metrics.from_json(json.dumps(head.metrics))
    buckets = ", ".join(f"{bucket} ({head.labels[bucket]})" for bucket in head.buckets)
    for name, value in (
        ("Head", head.name),
        ("Type", _type(head)),
        ("Model", head.model or "—"),
        ("Trained", local(head.trained_at or "")[:10] or "—"),
        ("Buckets", buckets or "—"),
    ):
        yield _line(name, value)
    if metrics is not None:
        yield _line("Accuracy", f"{metrics.accuracy:.2f}")
        if head.type == "binary":
            first = metrics.buckets[0]
            yield _line("Precision", f"{first.precision:.2f}")
            yield _line("Recall", f"{first.recall:.2f}")
            yield _line("F1", f"{first.f1:.2f}")
        else:
            for one in metrics.buckets:
                yield f"  {one.bucket}: precision {one.precision:.2f}, recall {one.recall:.2f}, F1 {one.f1:.2f}"
    if head.threshold is not None:
        yield _line("Threshold", f"{head.threshold:.2f}")
    yield from _measured(head, metrics)
    if head.version is not None:
        yield _line("Scores", f"version {head.version}, {KINDS.get(head.kind or '', head.kind or '')}")
        yield _line("Checkpoint", head.checkpoint or "—")
        if head.checkpoint_note:
            yield f"  {head.checkpoint_note}"
        yield f"\n{head.reason}"
    elif looked_at:
        yield f"\nNot trained yet{f': it {head.missing}' if head.missing else ''}."
    if head.last_attempt:
        yield f"Last attempt: {head.last_attempt}"


def _measured(head: HeadStatus, metrics: Metrics | None) -> Iterator[str]:
    """What headmaster does not tell."""
    if metrics is None:
        return
    interval = metrics.roc_auc_interval
    yield _line("AUC", f"{metrics.roc_auc:.3f} (95 %: {interval.low:.3f}–{interval.high:.3f})")
    yield _line("ECE", f"{metrics.calibration_error:.3f}")
    if metrics.keepers_lost is not None:
        yield _line("Lost", f"{metrics.keepers_lost:.1%} of {head.buckets[0]!r} are below the threshold")
    yield _line("Measured", f"on {metrics.photos} photos in {metrics.groups} groups that it had not seen")
    for bucket in metrics.buckets:
        if (shown := next(iter(bucket.first), None)) is not None:
            yield f"  {bucket.bucket}: {shown.precision:.0%} of the first {shown.count} shown belong there"


def _line(name: str, value: str) -> str:
    return f"{name + ':':<12}{value}"


def local(at: str) -> str:
    """An ISO time as the person's clock shows it."""
    from datetime import datetime

    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M") if at else ""
