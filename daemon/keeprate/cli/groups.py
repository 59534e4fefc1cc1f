"""`groups`: photos that are nearly the same, best first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keeprate.cli.output import HeadOption, JsonOption, LibraryOption, print_json, say

if TYPE_CHECKING:
    from keeprate.steps.photos.grouping_run import Burst, Member
    from keeprate.steps.session import Session


class Kind(StrEnum):
    """As `plugin_api.BurstKind`, for the command line."""

    burst = "burst"
    duplicates = "duplicates"
    bracket = "bracket"
    panorama = "panorama"


TITLES = {
    Kind.burst: "burst, one of them is enough",
    Kind.duplicates: "copies or the same again, one of them is enough",
    Kind.bracket: "exposure or focus series, keep it whole",
    Kind.panorama: "panorama, keep it whole",
}


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(groups)


def groups(
    library: LibraryOption = None,
    head: HeadOption = None,
    kind: Annotated[Kind | None, typer.Option(help="Only such groups.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Photos that are nearly the same: bursts and copies with the best first, series and panoramas as a whole."""
    from keeprate.paths import locate_home
    from keeprate.steps.session import open_session

    with open_session(locate_home()) as session:
        found = [burst for burst in _found(session, library, head) if kind is None or burst.kind == kind.value]
    if as_json:
        print_json([_as_values(burst) for burst in found])
        return
    for burst in found:
        for line in _lines(burst):
            say(line)
    if not found:
        typer.echo("No groups: nothing is nearly the same, or `keeprate sync` did not compare photos yet.", err=True)


def _found(session: Session, library: str | None, head: str | None) -> list[Burst]:
    """In the order of time, those without a time last."""
    from keeprate.steps.photos.grouping_run import groups_of

    session.heads(head)
    found = chain.from_iterable(
        groups_of(session, one.name, head or one.head_to_mark) for one in session.libraries(library)
    )
    return sorted(found, key=lambda burst: (burst.library, _begin(burst), burst.burst))


def _begin(burst: Burst) -> float:
    return min((member.taken_at for member in burst.members if member.taken_at is not None), default=float("inf"))


def _lines(burst: Burst) -> list[str]:
    begin = _begin(burst)
    at = "" if begin == float("inf") else f"{_time(begin):%Y-%m-%d %H:%M:%S}  "
    lines = [f"{at}{len(burst.members)} photos: {TITLES[Kind(burst.kind.value)]}"]
    for member in burst.members:
        score = "     " if member.score is None else f"{member.score:.3f}"
        why = f"  ({', '.join(member.why)})" if member.why else ""
        lines.append(f"  {member.position:>2}  {score}  {member.path}{why}")
    return [*lines, ""]


def _as_values(burst: Burst) -> dict[str, Any]:
    return {
        "group": burst.burst,
        "library": burst.library,
        "kind": burst.kind.value,
        "members": [_member(member) for member in burst.members],
    }


def _member(member: Member) -> dict[str, Any]:
    at = None if member.taken_at is None else _time(member.taken_at).isoformat()
    return asdict(member) | {"taken_at": at}


def _time(seconds: float) -> datetime:
    """As the camera's clock showed it: it is kept as if that were UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
