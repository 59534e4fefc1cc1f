from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.config.load import load_config
from keeprate.paths import locate_home
from keeprate.steps.heads.scoring import score
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session, open_session
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos

MARKS = """
[library.marks.order]
view_folder = "by score"
contact_sheet = "sheet.html"
playlist = "list.m3u"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the library `camera`, with its buckets."""
    folder = tmp_path / "camera"
    for bucket in ("keep", "delete"):
        (folder / bucket).mkdir(parents=True)
    return folder


@pytest.fixture
def session(root: Path) -> Iterator[Session]:
    """A session with the library `camera`, whose head is `keep`."""
    home = locate_home()
    add_library(home.config_file, {"name": "camera", "root": str(root)})
    with open_session(home) as opened:
        yield opened


@pytest.fixture
def marked(session: Session, root: Path, tmp_path: Path) -> Session:
    """A library of ten photos, scored, whose config asks for a view folder, a contact sheet and a playlist."""
    write_photos(root / "new", range(10))
    config = session.home.config_file
    config.write_text(config.read_text() + MARKS)
    opened = replace(session, config=load_config(config))
    scan(opened)
    put_head(opened, tmp_path / "head")
    embed_all(opened, WorkerWithoutProcess(opened))
    score(opened)
    return opened
