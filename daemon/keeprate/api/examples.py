"""An example of everything that the api says or takes, for its description."""

from __future__ import annotations

import json
from typing import Any

from keeprate.api.models import LabelAsked, LabelsAsked, PageAddress, PageAsked, PauseAsked, Server, WayAsked
from keeprate.api.problems import Refusal, as_json
from keeprate.catalog.labels import Label
from keeprate.catalog.problems import Problem
from keeprate.plugin_api import BurstKind, BurstPlace
from keeprate.service.control import JobStatus, Live, WorkerStatus
from keeprate.service.status import (
    DaemonStatus,
    HeadStatus,
    LibraryStatus,
    MarksStatus,
    ModelStatus,
    ProblemsStatus,
    ProblemStatus,
    Status,
    TrainingStatus,
    WorkStatus,
)
from keeprate.steps.heads.explaining import Explanation, MarkFound, Neighbour
from keeprate.steps.heads.listing import ListedPhoto, PhotoPage
from keeprate.steps.labels.saying import SayingOutcome, Statement
from keeprate.steps.session import Progress

EXAMPLE_KEY = "jpeg1-9f2c4e1ab3d05f6789abcdef01234567"
_PATH = "/home/ada/Pictures/2026/IMG_0042.JPG"
_AT = 1_784_000_000.0
_ISO = "2026-07-14T05:33:20+02:00"


def examples() -> dict[str, Any]:
    """Name of a schema → an example, as JSON."""
    made = [*_of_the_daemon(), *_of_photos(), *_asked()]
    return {type(one).__name__: _plain(one) for one in made} | {"BurstKind": "burst"}


def _plain(example: Any) -> Any:
    return example.model_dump(mode="json") if hasattr(example, "model_dump") else json.loads(as_json(example))


def _of_the_daemon() -> list[object]:
    job = JobStatus(
        "embed", "Embed new photos", "waiting", "The machine runs on battery.", _AT, _AT + 210, "3,400 photos embedded."
    )
    progress = Progress("embed", 120, 3400)
    worker = WorkerStatus(4712, 412_000_000, "cpu")
    live = Live(4711, "0.5.0", _AT, "busy", "Embedding 120 of 3,400 photos", (), progress, None, (job,), worker)
    library = LibraryStatus("pictures", "/home/ada/Pictures", True, None, 4120, 3400, 212, _ISO)
    head = HeadStatus(
        name="keep", type="binary", buckets=("keep", "delete"), labels={"keep": 120, "delete": 92}, images=212,
        missing=None, version=3, trained_at=_ISO, model="builtin", threshold=0.47, metrics={"roc_auc": 0.91}, f1=0.86,
        kind="logistic", checkpoint="/home/ada/.local/share/keeprate/out/keep.pt", checkpoint_note=None,
        reason="Better than version 2: log loss 0.31 instead of 0.36.", last_attempt=None,
    )  # fmt: skip
    work, model, marks = WorkStatus(3280, 0, 0, 4), ModelStatus("builtin", "", 1024, 120), MarksStatus(118, None)
    problem, training = ProblemStatus("/home/ada/Pictures/broken.jpg", "embed", "cut short"), TrainingStatus(_ISO, "…")
    daemon, found = DaemonStatus(True, 4711), ProblemsStatus(1, (problem,))
    status = Status(
        (library,), (head,), work, found, training, None, model, marks, 40, 0, daemon, None, (job,), live
    )  # fmt: skip
    return [
        Server("keeprate", "0.5.0", 1, 4711), job, progress, worker, live, library, head, work, model, marks, problem,
        training, daemon, found, status,
        Refusal("not-found", "There is no head called 'kep'.", 404, "Known are: keep."),
    ]  # fmt: skip


def _of_photos() -> list[object]:
    place = BurstPlace("b17", BurstKind.BURST, 1, 3)
    shares = {"keep": 0.93, "delete": 0.07}
    photo = ListedPhoto(
        _PATH, 0.93, "keep", shares, EXAMPLE_KEY, None, 3, "pictures", (_PATH.replace("JPG", "NEF"),), place
    )
    neighbour, mark = Neighbour("/home/ada/Pictures/keep/IMG_0007.JPG", "keep", 0.81), MarkFound(_PATH, ("4 stars",))
    explanation = Explanation(
        _PATH, EXAMPLE_KEY, "keep", "builtin", 0.93, shares, 3, 12, 3188, "keep", None, (), (mark,), {"sharpness": 0.7},
        (neighbour,),
    )  # fmt: skip
    statement = Statement(EXAMPLE_KEY, "keep", None)
    return [
        place, photo, PhotoPage(3188, 0, (photo,)), neighbour, mark, explanation, statement,
        SayingOutcome(1, 0, (statement,)), Label(EXAMPLE_KEY, "keep", "keep", "web", _AT, _PATH),
        Problem("embed", "/home/ada/Pictures/broken.jpg", "cut short", "pictures", None, 1, _AT),
    ]  # fmt: skip


def _asked() -> list[object]:
    label = LabelAsked(content_key=EXAMPLE_KEY, head="keep", bucket="keep")
    return [
        PauseAsked(until=_AT), WayAsked(who="keeprate sync (process 4711)"), label, LabelsAsked(labels=[label]),
        PageAsked(), PageAddress("http://127.0.0.1:8765/?code=kQ3vT0b9yJ2mXhRz"),
    ]  # fmt: skip
