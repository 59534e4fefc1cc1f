"""Reading: how things stand, photos in their order, labels, problems. The answers are those of `--json`."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import FileResponse

from keeprate import __version__
from keeprate.api.context import Api, in_turn
from keeprate.api.models import CONTENT_KEY, MOST_AT_ONCE, Server
from keeprate.api.problems import Answer, NotFoundError
from keeprate.catalog import labels as label_rows
from keeprate.catalog import problems as problem_rows
from keeprate.catalog.labels import Label
from keeprate.catalog.problems import Problem
from keeprate.service.control import JobStatus, Live
from keeprate.service.status import HeadStatus, LibraryStatus, Status
from keeprate.service.status import status as state_of
from keeprate.steps.heads.explaining import Explanation, explain_photo
from keeprate.steps.heads.listing import PhotoPage, listed_part
from keeprate.steps.session import Session
from keeprate.steps.upkeep.thumbnails import thumbnail as thumbnail_of

router = APIRouter()

Head = Annotated[str | None, Query(description="Default: the first head of the config.", max_length=200)]
Library = Annotated[str | None, Query(description="Only this library.", max_length=200)]
Offset = Annotated[int, Query(ge=0, le=2**31, description="How many to leave out at the beginning.")]
Key = Annotated[str, Path(pattern=CONTENT_KEY, description="The photo's content key.")]
Top = Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="How many to give.")]


@router.get("", response_model=Server)
async def server() -> Answer:
    """Who answers, and in which version."""
    return Answer(Server("keeprate", __version__, 1, os.getpid()))


@router.get("/live", response_model=Live)
async def live(api: Api) -> Answer:
    """What the daemon does now, and what it does with each job."""
    return Answer(api.live())


@router.get("/status", response_model=Status)
@in_turn
def status(
    api: Api, head: Annotated[str | None, Query(max_length=200, description="Only this head.")] = None
) -> Answer:
    """How things stand: `keeprate status --json`."""
    with api.session() as session:
        return Answer(state_of(session, head, api.live()))


@router.get("/libraries", response_model=list[LibraryStatus])
@in_turn
def libraries(api: Api) -> Answer:
    """The libraries, and whether they are there."""
    with api.session() as session:
        return Answer(state_of(session).libraries)


@router.get("/heads", response_model=list[HeadStatus])
@in_turn
def heads(api: Api) -> Answer:
    """The heads and the versions in use: `keeprate heads list --json`."""
    with api.session() as session:
        return Answer(state_of(session).heads)


@router.get("/heads/{head}", response_model=HeadStatus)
@in_turn
def head(api: Api, head: str) -> Answer:
    """One head."""
    with api.session() as session:
        return Answer(state_of(session, head).heads[0])


@router.get("/photos", response_model=PhotoPage)
@in_turn
def photos(
    api: Api,
    head: Head = None,
    order: Annotated[Literal["desc", "asc"], Query(description="desc: the most likely keepers first.")] = "desc",
    top: Top = 100,
    offset: Offset = 0,
    library: Library = None,
    everything: Annotated[bool, Query(alias="all", description="Also photos that have a label.")] = False,
    groups: Annotated[bool, Query(description="Photos that are nearly the same together.")] = False,
) -> Answer:
    """Photos by their score, as `keeprate list --json` has them, in parts."""
    with api.session() as session:
        if library is not None:
            session.libraries(library)
        return Answer(
            listed_part(
                session, head, library,
                everything=everything, rising=order == "asc", top=top, offset=offset, groups=groups,
            )
        )  # fmt: skip


@router.get("/photos/{key}", response_model=Explanation)
def photo(
    api: Api,
    key: Key,
    head: Head = None,
    nearest: Annotated[int, Query(ge=0, le=20, description="Most similar photos of each bucket.")] = 0,
) -> Answer:
    """What is known about one photo: `keeprate why --json`."""
    with api.session() as session:
        return Answer(explain_photo(session, key, _place(session, key), head, nearest=nearest))


@router.get("/photos/{key}/thumbnail", response_class=FileResponse, responses={200: {"content": {"image/webp": {}}}})
def thumbnail(api: Api, key: Key) -> FileResponse:
    """A small picture of it, if there is one yet. Its address says what is pictured, so it may be kept for ever."""
    path = thumbnail_of(api.home, key)
    if path is None:
        raise NotFoundError("There is no thumbnail of this photo (yet).", advice="The job “thumbnails” makes them.")
    return FileResponse(
        path, media_type="image/webp", headers={"Cache-Control": "private, max-age=31536000, immutable"}
    )


@router.get("/labels", response_model=list[Label])
@in_turn
def labels(api: Api, head: Head = None, top: Top = 100, offset: Offset = 0) -> Answer:
    """The labels that count, by content key; withdrawn ones are left out."""
    with api.session() as session:
        names = list(session.heads(head))
        found = list(label_rows.current(session.catalog, names[0]).values()) if names else []
    return Answer(found[offset : offset + top])


@router.get("/problems", response_model=list[Problem])
def problems(api: Api, top: Top = 100, offset: Offset = 0) -> Answer:
    """What could not be done to files, newest first."""
    with api.session() as session:
        return Answer(problem_rows.latest(session.catalog, offset + top)[offset:])


@router.get("/jobs", response_model=list[JobStatus])
async def jobs(api: Api) -> Answer:
    """What the daemon does by itself, in the order in which it is done."""
    return Answer(api.live().jobs)


@router.get("/jobs/{name}", response_model=JobStatus)
async def job(api: Api, name: str) -> Answer:
    """One job: when it last ran and what that did, why it does or does not run, when it runs next."""
    return Answer(job_named(api, name))


def _place(session: Session, key: str) -> str:
    """Where a photo lies, or lay; raises NotFoundError if nobody has seen it."""
    row = session.catalog.conn.execute(
        "SELECT path FROM files WHERE content_key = ? ORDER BY gone_at IS NOT NULL, gone_at DESC, path LIMIT 1", (key,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"No library has or had a photo {key}.")
    return str(row[0])


def job_named(api: Api, name: str) -> JobStatus:
    """Raises NotFoundError if there is no such job."""
    known = api.live().jobs
    found = next((one for one in known if one.name == name), None)
    if found is None:
        raise NotFoundError(
            f"There is no job called {name!r}.", advice=f"Known are: {', '.join(one.name for one in known)}."
        )
    return found
