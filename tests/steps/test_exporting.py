"""Checkpoints on disk: written, exported, cleaned, and nobody else's file lost (H21, H29, H30)."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keeprate.catalog import heads, labels, models, scores
from keeprate.catalog.heads import HeadVersion
from keeprate.catalog.labels import Label
from keeprate.errors import UsageError
from keeprate.learning.classifiers import LinearClassifier
from keeprate.learning.exchange import read_checkpoint
from keeprate.learning.heads import Head, save_head
from keeprate.paths import Home
from keeprate.service.status import status
from keeprate.steps.exchange.exporting import clean, export, is_ours, write_exchange
from keeprate.steps.session import Session, open_session
from support.catalogs import add_file
from support.made_heads import made_head

pytest.importorskip("torch")


def vectors_only(**changes: Any) -> Head:
    return made_head(
        **{
            "mean": np.zeros(4, np.float32), "scale": np.ones(4, np.float32), "signal_count": 0, "tempered": False,
            "signals_version": None,
            "classifier": LinearClassifier(np.eye(4, 2, dtype=np.float32), np.zeros(2, np.float32)),
        } | changes
    )  # fmt: skip


def in_use(session: Session, head: Head, *, digest: str = "abc", details: dict[str, Any] | None = None) -> None:
    """A version of the head with its file, as a training leaves it."""
    session.home.heads_dir.mkdir(parents=True, exist_ok=True)
    save_head(head, session.home.heads_dir / f"{head.name}-0001.safetensors")
    model = models.active(session.catalog)
    heads.add(session.catalog, HeadVersion(
        head=head.name, version=1, trained_at=time.time(), kind="logistic", buckets=head.buckets, label_counts={},
        label_hash=digest, model_id=model.id, fingerprint="f", threshold=0.4, metrics={},
        file=f"{head.name}-0001.safetensors", in_use=True, reason="first", details=details or {},
    ))  # fmt: skip


def test_a_checkpoint_names_its_sources_below_the_library(session: Session, root: Path) -> None:
    add_file(session.catalog, str(root / "keep" / "1.jpg"), "one")
    with session.catalog.db.atomic():
        labels.append(session.catalog, [Label("one", "keep", "keep", "folder", 1.0, str(root / "keep" / "1.jpg"))])
    written = write_exchange(session, vectors_only(), "clip-vit-l")
    assert written.path == str(session.home.checkpoints_dir / "keep.pt")
    assert "the head that scores" in written.note
    checkpoint = read_checkpoint(Path(written.path))
    assert checkpoint.sources == {"delete": (), "keep": ("keep/1.jpg",)}
    assert checkpoint.model == "clip-vit-l"


def test_a_stand_in_is_written_where_the_format_has_no_room(session: Session) -> None:
    assert "measured signals" in write_exchange(session, made_head(), "m").note
    assert not (session.home.checkpoints_dir / "keep.pt").exists()
    written = write_exchange(session, made_head(), "m", vectors_only())
    assert written.path is not None
    assert "beside the one that scores" in written.note


def test_no_checkpoint_of_another_version_is_left_for_one_that_cannot_be_written(session: Session) -> None:
    path = session.home.checkpoints_dir / "keep.pt"
    write_exchange(session, vectors_only(), "m")
    assert path.is_file()
    assert write_exchange(session, made_head(), "m").path is None
    assert not path.exists()
    path.write_bytes(b"headmaster's")
    write_exchange(session, made_head(), "m")
    assert path.read_bytes() == b"headmaster's"


def test_headmasters_checkpoint_is_kept_aside_and_ours_is_replaced(session: Session) -> None:
    folder = session.home.checkpoints_dir
    folder.mkdir(parents=True)
    (folder / "keep.pt").write_bytes(b"headmaster's")
    for threshold in (0.4, 0.6):
        write_exchange(session, vectors_only(threshold=threshold), "m")
    assert (folder / "keep.pt.headmaster").read_bytes() == b"headmaster's"
    assert sorted(path.name for path in folder.iterdir()) == ["keep.pt", "keep.pt.headmaster"]
    assert read_checkpoint(folder / "keep.pt").threshold == 0.6


def test_export_copies_everything_and_overwrites_only_its_own(session: Session, tmp_path: Path) -> None:
    target = tmp_path / "made" / "for it"
    with pytest.raises(UsageError, match="no checkpoint to export"):
        export(session, target)
    write_exchange(session, vectors_only(), "m")
    (session.home.checkpoints_dir / "theirs.pt").write_bytes(b"theirs")
    assert export(session, target).copied == ("keep.pt", "theirs.pt")
    assert export(session, target).unchanged == ("keep.pt", "theirs.pt")

    write_exchange(session, vectors_only(threshold=0.7), "m")
    (target / "theirs.pt").write_bytes(b"the user's own")
    again = export(session, target)
    assert (again.copied, again.refused) == (("keep.pt",), ("theirs.pt",))
    assert (target / "theirs.pt").read_bytes() == b"the user's own"
    assert read_checkpoint(target / "keep.pt").threshold == 0.7
    with pytest.raises(UsageError, match="lie there already"):
        export(session, session.home.checkpoints_dir)
    with pytest.raises(UsageError, match="no folder"):
        export(session, target / "keep.pt")


def test_clean_begins_anew_and_leaves_what_is_not_ours(session: Session) -> None:
    head = vectors_only()
    in_use(session, head)
    add_file(session.catalog, "/p/1.jpg", "one")
    with session.catalog.db.atomic():
        scores.store(session.catalog, "keep", 1, ["one"], np.array([[0.9, 0.1]]))
    write_exchange(session, head, "m")
    checkpoint = session.home.checkpoints_dir / "keep.pt"

    planned = clean(session, "keep", dry_run=True)
    assert (planned.heads, len(planned.removed)) == (("keep",), 2)
    assert heads.in_use(session.catalog, "keep") is not None

    checkpoint.write_bytes(b"changed by somebody")
    done = clean(session)
    assert done.kept == (str(checkpoint),)
    assert checkpoint.read_bytes() == b"changed by somebody"
    assert heads.in_use(session.catalog, "keep") is None
    (version,) = heads.history(session.catalog, "keep")
    assert (version.file, version.label_hash, version.reason) == (None, "", "first")
    assert list(session.home.heads_dir.iterdir()) == []
    assert scores.of_photo(session.catalog, "one", "keep") is None
    with pytest.raises(UsageError, match="no head called"):
        clean(session, "nobody")


def test_clean_finds_heads_that_were_renamed_since(session: Session) -> None:
    head = replace(vectors_only(), name="hotdog")
    in_use(session, head)  # the session's config knows `keep` only
    written = write_exchange(session, head, "m")
    assert written.path is not None
    assert clean(session, "hotdog", dry_run=True).removed == clean(session, dry_run=True).removed
    done = clean(session, "hotdog")
    assert done.heads == ("hotdog",)
    assert len(done.removed) == 2
    assert not Path(written.path).exists()
    assert heads.in_use(session.catalog, "hotdog") is None


def test_a_workspace_that_was_moved_keeps_what_is_ours(tmp_path: Path) -> None:
    def opened(folder: Path) -> Session:
        own = folder / ".keeprate"
        return open_session(Home(own, own, own, own / "cache", own, folder))

    (tmp_path / "w" / "heads" / "keep" / "keep").mkdir(parents=True)
    with opened(tmp_path / "w") as session:
        write_exchange(session, vectors_only(), "m")
        export(session, tmp_path / "elsewhere")
    (tmp_path / "w").rename(tmp_path / "moved")
    with opened(tmp_path / "moved") as session:
        assert is_ours(session.home, tmp_path / "elsewhere" / "keep.pt")
        written = write_exchange(session, vectors_only(threshold=0.7), "m")
        in_use(session, vectors_only(), details={"checkpoint": str(tmp_path / "w" / "out" / "keep.pt")})
        assert status(session).heads[0].checkpoint == written.path == str(tmp_path / "moved" / "out" / "keep.pt")
        assert export(session, tmp_path / "elsewhere").copied == ("keep.pt",)
        assert [path.name for path in session.home.checkpoints_dir.iterdir()] == ["keep.pt"]


def test_ledgers_of_older_keeprates_are_read(session: Session) -> None:
    written = write_exchange(session, vectors_only(), "m")
    ledger = session.home.data_dir / "checkpoints.json"
    (digest,) = json.loads(ledger.read_text()).values()
    ledger.write_text(json.dumps({written.path: digest}))
    assert is_ours(session.home, Path(str(written.path)))
