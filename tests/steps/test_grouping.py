from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from keeprate.cli.showing_status import _show
from keeprate.service.status import status
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.grouping import group
from keeprate.steps.photos.grouping_run import group_all, groups_of
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from keeprate.steps.syncing import sync
from keeprate.steps.tasks import GroupTask
from keeprate.steps.worker_client import WorkerCrashedError
from support.judging import WorkerWithoutProcess
from support.photos import draw


class DyingWorker(WorkerWithoutProcess):
    """Is killed whenever it compares photos."""

    def run(self, task: Any, reporter: Any) -> Any:
        if isinstance(task, GroupTask):
            raise WorkerCrashedError((), "SIGKILL")
        return super().run(task, reporter)


def taken(number: int, second: int) -> bytes:
    """A JPEG of one of many scenes, taken then."""
    scene, stream = draw(number, size=(96, 64)), io.BytesIO()
    scene.putpixel((second % 96, second // 96), (255, 0, 0))  # each frame is another photo
    scene.save(stream, "JPEG", quality=95)
    exif = Image.Exif()
    exif[0x110] = "Test Camera"
    exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 10:{second // 60:02d}:{second % 60:02d}"
    block, data = exif.tobytes(), stream.getvalue()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def test_a_worker_that_dies_while_it_compares_ends_only_that_step(session: Session, root: Path) -> None:
    for second in range(3):
        (root / f"{second}.jpg").write_bytes(taken(1, second))
    outcome = sync(session, DyingWorker(session))
    assert (outcome.embed.embedded, outcome.group.compared) == (3, 0)
    assert any("3 photos were not compared" in line and "SIGKILL" in line for line in outcome.sentences())
    assert group_all(session, WorkerWithoutProcess(session)).compared == 3, "the next run tries again"
    assert group_all(session, DyingWorker(session)).failed == "", "nothing to do: no worker is asked"


def test_the_status_tells_groups_and_looks_that_are_missing(
    session: Session, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for second in range(3):
        (root / f"{second}.jpg").write_bytes(taken(1, second))
    sync(session, WorkerWithoutProcess(session))
    assert (status(session).groups, status(session).work.to_look) == (1, 0)
    with session.catalog.db.atomic():
        session.catalog.conn.execute("DELETE FROM looks")  # as after an update of the catalog
    now = status(session)
    assert (now.work.to_embed, now.work.to_look) == (0, 3)
    _show(now)
    shown = capsys.readouterr().out
    assert "0 to embed, 3 to look at once more, " in shown
    assert "Groups    1 of" in shown


@pytest.mark.parametrize("at_once", [True, False])
def test_a_time_lapse_is_no_burst_however_it_arrives(session: Session, root: Path, *, at_once: bool) -> None:
    for arrived in [range(70)] if at_once else [range(40), range(40, 70)]:
        for frame in arrived:
            (root / f"{frame:02d}.jpg").write_bytes(taken(1, 2 * frame))
        scan(session)
        embed_all(session, WorkerWithoutProcess(session))
        group(session, GroupTask())
        found = list(groups_of(session, "camera", "keep"))
        begun = len(arrived) == 40
        assert bool(found) == begun, "forty frames may be a burst, sixty are none"
