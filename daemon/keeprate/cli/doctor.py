"""`doctor`: is everything here that keeprate needs?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from keeprate.cli.output import JsonOption, print_json, printable, say

if TYPE_CHECKING:
    from keeprate.doctor.finding import Check, Finding


SIGNS = {"ok": ("✓", "green"), "warning": ("!", "bold yellow"), "error": ("✗", "bold red")}
WIDTH = 8
"""Of what a finding is about."""


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(doctor)


def doctor(
    speed: Annotated[bool, typer.Option(help="Load the model and measure it, which takes some seconds.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Is everything here that keeprate needs? Looks only: nothing is changed, and every fault has its advice."""
    from keeprate.doctor.examining import checks_for, examine, patient_of
    from keeprate.doctor.finding import State
    from keeprate.paths import locate_home

    patient = patient_of(locate_home())
    findings: list[Finding] = []
    with _waiting() as tell:
        findings.extend(examine(patient, checks_for(patient, speed=speed), tell))
    counts = {state: sum(one.state is state for one in findings) for state in State}
    if as_json:
        print_json({"ok": not counts[State.ERROR], "findings": findings})
    else:
        _show(findings)
        say(_summary(counts[State.WARNING], counts[State.ERROR]))
    sys.stdout.flush()
    if counts[State.ERROR]:
        raise typer.Exit(1)


@contextmanager
def _waiting() -> Iterator[Callable[[Check], None]]:
    """On a terminal, what is being looked at."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as line:

        def tell(check: Check) -> None:
            line.update(f"Looking at the {printable(check.title)} …")

        yield tell


def _show(findings: Iterable[Finding]) -> None:
    """A line for each, not cut to the terminal's width: what is advised may be a command to be copied."""
    from rich.console import Console
    from rich.text import Text

    console = Console(markup=False, emoji=False, highlight=False)
    for one in findings:
        sign, style = SIGNS[one.state]
        line = Text.assemble((sign, style), f" {one.name.partition('.')[0]:<{WIDTH}} {printable(one.sentence)}")
        console.print(line, soft_wrap=True)
        if one.advice:
            advice = f"{'':<{WIDTH + 3}}{printable(one.advice)}"
            console.print(Text(advice, "dim" if one.state == "ok" else "cyan"), soft_wrap=True)


def _summary(warnings: int, errors: int) -> str:
    if not warnings and not errors:
        return "\nAll is well."
    counted = ((errors, "error"), (warnings, "warning"))
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted if count]
    return f"\n{' and '.join(parts)}: what to do is said below each."
