"""Asking the daemon for something. What it asks for is done soon after the answer: look at `live`, or listen."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request
from starlette.responses import StreamingResponse

from keeprate.api.connections import came_over_unix
from keeprate.api.context import Api
from keeprate.api.looking import job_named
from keeprate.api.models import LabelsAsked, PageAddress, PageAsked, PauseAsked, WayAsked
from keeprate.api.problems import Answer, refuse
from keeprate.api.streaming import MEDIA_TYPE, EventStream
from keeprate.catalog.labels import LabelSource
from keeprate.errors import CatalogDamagedError
from keeprate.service.control import JobStatus, Live
from keeprate.steps.labels.saying import SayingOutcome, say

router = APIRouter()

BECAUSE = "It was asked for by hand."
Rest = Annotated[PauseAsked | None, Body(description="Without it: until resumed.")]
EVENT_SCHEMA: dict[str, Any] = {
    "itemSchema": {
        "type": "object",
        "properties": {
            "data": {"type": "string"},
            "event": {"type": "string"},
            "id": {"type": "string"},
            "retry": {"type": "integer", "minimum": 0},
        },
    }
}


@router.post("/jobs/{name}/run", response_model=JobStatus, status_code=202)
async def run_job(api: Api, name: str) -> Answer:
    """Do a job as soon as possible, also in quiet hours, and also if it is paused."""
    job_named(api, name)
    api.control.run_job(name, because=BECAUSE)
    return Answer(job_named(api, name), 202)


@router.post("/jobs/{name}/pause", response_model=JobStatus, status_code=202)
async def pause_job(api: Api, name: str, asked: Rest = None) -> Answer:
    """Let one job rest."""
    job_named(api, name)
    api.control.pause(name, until=asked.until if asked else None)
    return Answer(job_named(api, name), 202)


@router.post("/jobs/{name}/resume", response_model=JobStatus, status_code=202)
async def resume_job(api: Api, name: str) -> Answer:
    """Let a job go on."""
    job_named(api, name)
    api.control.resume(name)
    return Answer(job_named(api, name), 202)


@router.post("/pause", response_model=Live, status_code=202)
async def pause(api: Api, asked: Rest = None) -> Answer:
    """Let all work rest."""
    api.control.pause(until=asked.until if asked else None)
    return Answer(api.live(), 202)


@router.post("/resume", response_model=Live, status_code=202)
async def resume(api: Api) -> Answer:
    """Let all work go on; jobs that were paused one by one stay paused."""
    api.control.resume()
    return Answer(api.live(), 202)


@router.post("/reload", response_model=Live, status_code=202)
async def reload(api: Api) -> Answer:
    """Read the config again. If it makes no sense, the old one is kept and `attention` says so."""
    api.control.reload()
    return Answer(api.live(), 202)


@router.post("/make-way", response_model=Live, status_code=202)
async def make_way(api: Api, asked: WayAsked) -> Answer:
    """Let go of the work lock for a moment: another process of keeprate waits for it."""
    api.control.make_way(asked.who)
    return Answer(api.live(), 202)


@router.post("/catalog-changed", response_model=Live, status_code=202)
async def catalog_changed(api: Api) -> Answer:
    """Another process has changed the catalog: look what there is to do."""
    api.control.catalog_changed()
    return Answer(api.live(), 202)


@router.post("/labels", response_model=SayingOutcome)
def label(api: Api, asked: LabelsAsked) -> Answer:
    """Say into which buckets photos belong, or that nothing is said of them. All of it is taken, or nothing.

    What is said of a photo holds for its shot: what its other files say otherwise is withdrawn.
    """
    if api.control.damage:  # a backup would take its place, and with it what was said
        raise CatalogDamagedError(api.control.damage)
    with api.session() as session:
        outcome = say(session, asked.statements(), LabelSource.WEB)
    if outcome.changed:
        sentence = f"{outcome.changed} label{'s' * (outcome.changed > 1)} given on the page or over the api."
        api.control.events.tell("labels.changed", sentence, count=outcome.changed, source=LabelSource.WEB.value)
        api.control.catalog_changed()
    return Answer(outcome)


@router.post("/page-code", response_model=PageAddress)
async def page_code(api: Api, request: Request, asked: PageAsked) -> Answer:
    """The address of the page with a code that lets one browser in, once. Over the unix socket only."""
    if not came_over_unix(request.scope):
        return refuse(403, "Only who has the unix socket may let others in.")
    url = None if api.page is None else f"{api.page}/?code={api.sessions.code(asked.seconds)}"
    return Answer(PageAddress(url))


@router.get("/events", response_class=StreamingResponse, responses={200: {"content": {MEDIA_TYPE: EVENT_SCHEMA}}})
async def events(api: Api, last_event_id: Annotated[str | None, Header(max_length=100)] = None) -> StreamingResponse:
    """What happens, as it happens (server-sent events). After a break, `Last-Event-ID` gives what was missed."""
    return EventStream(api.streams.follow(last_event_id))
