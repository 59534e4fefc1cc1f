from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.config.edit import add_library
from keeprate.paths import locate_home
from keeprate.steps.heads.scoring import score
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session, open_session
from support.api import Serving, serving
from support.judging import WorkerWithoutProcess, put_head
from support.photos import write_photos


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
def scored(session: Session, root: Path, tmp_path: Path) -> Session:
    """Ten scored photos; one lies in `keep`, one has a copy."""
    photos = write_photos(root / "new", range(8)) + write_photos(root / "blurred", range(20, 22), sharp=False)
    (root / "keep" / photos[0].name).write_bytes(photos[0].read_bytes())
    photos[0].unlink()
    (root / "copy.jpg").write_bytes(photos[1].read_bytes())
    scan(session)
    put_head(session, tmp_path / "head")
    embed_all(session, WorkerWithoutProcess(session))
    score(session)
    return session


@pytest.fixture
def here(session: Session) -> Iterator[Serving]:
    """A server for the home of `session`."""
    with serving(session.home) as serves:
        yield serves
