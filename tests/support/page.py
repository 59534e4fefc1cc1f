"""A library with scores and thumbnails, and the page that shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.heads.scoring import score
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import open_session
from keeprate.steps.upkeep.thumbnails import make_thumbnails
from keeprate.web.page import add_page
from support.api import Serving, serving
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos

SCRIPT_NAME = "<img src=x onerror=alert(1)>.jpg"
"""A file name that would be a script on a careless page."""
BROKEN_NAME = os.fsdecode(b"latin-\xe9\x1b[31m.jpg")
"""Bytes that are no UTF-8, and a control character."""


def make_library(root: Path, elsewhere: Path, *, photos: int = 8) -> None:
    """`photos` photos, half of them blurred, each with a score; two have odd names. Each has a thumbnail."""
    for bucket in ("keep", "delete"):
        (root / bucket).mkdir(parents=True)
    half = photos // 2
    sharp = write_photos(root / "2026-05", range(half))
    write_photos(root / "2026-05", range(half, photos), sharp=False)
    sharp[0].rename(sharp[0].with_name(SCRIPT_NAME))
    sharp[1].rename(sharp[1].with_name(BROKEN_NAME))
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    with open_session(home) as session:
        worker = WorkerWithoutProcess(session)
        scan(session)
        embed_all(session, worker)
        put_head(session, elsewhere)
        score(session)
        make_thumbnails(session, worker)


@contextmanager
def page_served() -> Iterator[Serving]:
    """The page of this home; `server.url` says where."""
    with serving(extend=[add_page]) as served:
        yield served
