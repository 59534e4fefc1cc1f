"""Asking the daemon for something: jobs, and labels, of which all are taken or none."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest

from keeprate.catalog import companions, labels
from keeprate.catalog.labels import Label, LabelSource
from keeprate.service.events import Event
from keeprate.steps.heads.listing import listed
from keeprate.steps.labels.saying import Statement, StatementsError, say
from keeprate.steps.labels.shots import said_of_shots
from keeprate.steps.session import Session
from support.api import Answered, Serving, over_tcp, over_unix
from support.catalogs import add_file
from support.waiting import PATIENCE_S


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("/jobs/retrain/run", None, ("run_job", "retrain", "It was asked for by hand.")),
        ("/jobs/write/pause", {"until": 2e9}, ("pause", "write", 2e9)),
        ("/jobs/write/pause", None, ("pause", "write", None)),
        ("/jobs/write/resume", None, ("resume", "write")),
        ("/pause", {}, ("pause", None, None)),
        ("/pause", {"until": None}, ("pause", None, None)),
        ("/resume", None, ("resume", None)),
        ("/reload", None, ("reload",)),
        ("/make-way", {"who": "keeprate sync"}, ("make_way", "keeprate sync")),
        ("/catalog-changed", None, ("catalog_changed",)),
    ],
)
def test_it_reaches_the_daemon(here: Serving, path: str, body: object, asked: tuple[object, ...]) -> None:
    assert over_tcp(here, "POST", path, body).status == 202
    assert here.control.asked == [asked]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs/dance/run", None), ("/jobs/dance/pause", None), ("/pause", {"until": -1}), ("/pause", {"until": 1e300}),
        ("/pause", b'{"until": 1e999}'), ("/pause", b'{"until": NaN}'), ("/pause", {"for": 3}), ("/pause", b"{"),
        ("/pause", b"\xff"), ("/pause", [1]), ("/make-way", None), ("/make-way", {"who": ""}),
        ("/make-way", {"who": "a\nb"}), ("/make-way", {"who": "\ud800"}), ("/labels", {"labels": []}), ("/labels", {}),
        ("/labels", {"labels": [{"content_key": "\ud800", "head": "keep", "bucket": None}]}),
        ("/labels", {"labels": [{"content_key": "a", "head": "keep"}]}),
        ("/labels", {"labels": [{"content_key": "a", "head": "keep", "bucket": "keep"}] * 1001}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_reaches_nobody(here: Serving, path: str, body: object) -> None:
    answered = over_unix(here, "POST", path, body)
    assert answered.status in {400, 404, 422}, answered.body
    assert answered.headers["Content-Type"] == "application/problem+json"
    assert here.control.asked == []


def test_a_job_answers_with_its_state(here: Serving) -> None:
    assert over_unix(here, "POST", "/jobs/embed/run").json["name"] == "embed"
    assert over_unix(here, "GET", "/jobs/embed").json["title"] == "Embed new photos"


# ---- labels ----


def post(here: Serving, *said: tuple[str, str, str | None]) -> Answered:
    wishes = [{"content_key": key, "head": head, "bucket": bucket} for key, head, bucket in said]
    return over_tcp(here, "POST", "/labels", {"labels": wishes})


def keys(session: Session) -> list[str]:
    return [photo.content_key for photo in listed(session, None, None, everything=False)]


def standing(session: Session) -> dict[str, Any]:
    return {key: (one.bucket, one.source) for key, one in labels.current(session.catalog, "keep").items()}


def test_labels_are_taken_and_taken_back(scored: Session, here: Serving) -> None:
    before = standing(scored)
    first, second, *_ = keys(scored)
    answered = post(here, (first, "keep", "delete"), (second, "keep", "keep"))
    assert answered.status == 200
    assert (answered.json["changed"], answered.json["unchanged"]) == (2, 0)
    assert standing(scored) == before | {first: ("delete", "web"), second: ("keep", "web")}
    assert here.control.asked == [("catalog_changed",)]
    path = labels.current(scored.catalog, "keep")[first].path
    assert path is not None
    assert path.endswith(".jpg")
    assert first not in keys(scored)
    got = over_unix(here, "GET", "/labels").json
    assert {one["content_key"]: (one["bucket"], one["source"]) for one in got} == standing(scored)

    again = post(here, (first, "keep", "delete"))
    assert (again.json["changed"], again.json["unchanged"], again.json["undo"]) == (0, 1, [])
    assert here.control.asked == [("catalog_changed",)], "nothing has changed"

    undone = over_tcp(here, "POST", "/labels", {"labels": answered.json["undo"]})
    assert undone.json["changed"] == 2
    assert standing(scored) == before
    assert post(here, (first, "keep", None)).json["unchanged"] == 1


@pytest.mark.parametrize(
    "wrong",
    [("no-such-key", "keep", "keep"), ("{0}", "kep", "keep"), ("{0}", "keep", "perhaps"), ("{1}", "keep", "delete")],
)
def test_all_are_taken_or_none(scored: Session, here: Serving, wrong: tuple[str, str, str]) -> None:
    before, known = standing(scored), keys(scored)
    given = [(known[0], "keep", "delete"), (known[1], "keep", "keep")]
    answered = post(here, *given, (wrong[0].format(*known), *wrong[1:]))
    assert answered.status == 409
    assert len(answered.json["details"]) == 1
    assert standing(scored) == before
    assert here.control.asked == []


def test_into_a_damaged_catalog_no_labels_are_taken(scored: Session, here: Serving) -> None:
    here.control.damage = "The catalog is damaged (page 7). Restore it."
    before = standing(scored)
    refused = post(here, (keys(scored)[0], "keep", "delete"))
    assert refused.status == 503
    assert (refused.json["type"], refused.json["title"]) == ("catalog", here.control.damage)
    assert standing(scored) == before
    here.control.damage = ""
    assert post(here, (keys(scored)[0], "keep", "delete")).json["changed"] == 1


def test_who_listens_hears_of_labels(scored: Session, here: Serving) -> None:
    heard: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with here.control.events.heard_by(heard.put):
        post(here, *((key, "keep", "delete") for key in keys(scored)[:3]))
        event = heard.get(timeout=PATIENCE_S)
    assert (event.name, event.data) == ("labels.changed", {"count": 3, "source": "web"})


JPEG, RAW, EDIT = "jpeg", "raw", "edit"


@pytest.fixture
def shot(session: Session) -> Session:
    for key in (JPEG, RAW, EDIT):
        add_file(session.catalog, f"/p/{key}.jpg", key)
    with session.catalog.db.atomic():
        companions.join(session.catalog, JPEG, [RAW, EDIT])
    return session


def given(session: Session, key: str, bucket: str | None, source: LabelSource = LabelSource.MOVE) -> None:
    with session.catalog.db.atomic():
        labels.append(session.catalog, [Label(key, "keep", bucket, source, time.time(), f"/p/{key}.jpg")])


def of_shot(session: Session) -> str | None:
    label = said_of_shots(session, "keep").of_photo(EDIT)
    return label.bucket if label else None


@pytest.mark.parametrize("named", [JPEG, RAW, EDIT])
@pytest.mark.parametrize("bucket", ["keep", "delete", None])
@pytest.mark.parametrize("before", [{}, {RAW: "keep"}, {JPEG: "delete"}, {RAW: "keep", JPEG: "delete"}])
def test_what_is_said_of_a_photo_holds_for_its_shot(
    shot: Session, named: str, bucket: str | None, before: dict[str, str]
) -> None:
    for key, said in before.items():
        given(shot, key, said)
    was = of_shot(shot)
    outcome = say(shot, [Statement(named, "keep", bucket)], LabelSource.WEB)
    assert of_shot(shot) == bucket
    assert outcome.changed == (was != bucket)
    if outcome.undo:
        say(shot, outcome.undo, LabelSource.WEB)
    assert of_shot(shot) == was


def test_a_raw_in_the_trash_goes_on_saying_nothing(shot: Session) -> None:
    given(shot, RAW, "delete", LabelSource.TRASH)
    say(shot, [Statement(JPEG, "keep", "keep")], LabelSource.WEB)
    assert labels.current(shot.catalog, "keep")[RAW].source == LabelSource.TRASH


def test_contradictions_about_a_shot_are_refused(shot: Session) -> None:
    with pytest.raises(StatementsError, match="make no sense"):
        say(shot, [Statement(JPEG, "keep", "keep"), Statement(RAW, "keep", "delete")], LabelSource.WEB)
    assert say(shot, [Statement(JPEG, "keep", "keep"), Statement(RAW, "keep", "keep")], LabelSource.WEB).changed == 1
