"""What headmaster has is taken over: models, vectors, checkpoints (H33, H35)."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keeprate.catalog import embeddings, heads, models
from keeprate.errors import KeeprateError, UsageError
from keeprate.learning.exchange import CheckpointError
from keeprate.learning.heads import load_head
from keeprate.paths import locate_home
from keeprate.pictures.signals import SIGNALS_VERSION
from keeprate.steps.exchange.headmaster_database import ImportFailedError, open_headmaster
from keeprate.steps.exchange.importing import import_checkpoint, import_workspace
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.session import Session, open_session
from keeprate.steps.tasks import EmbedOutcome
from support.headmaster import cache, make_checkpoint, make_database
from support.judging import WorkerWithoutProcess
from support.made_pictures import scene

DIMENSION = 48


def state_of(folder: Path) -> dict[str, str]:
    """Every file but keeprate's own, by its content."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".keeprate" not in path.parts
    }


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The head `hotdog` with four pictures a bucket, one of them to be turned."""
    folder = tmp_path / "workspace"
    for number in range(8):
        bucket = folder / "heads" / "hotdog" / ("positive" if number < 4 else "negative")
        bucket.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if number == 7:
            exif[274] = 6
        scene(120, 90, seed=number).save(bucket / f"{number}.jpg", exif=exif)
    monkeypatch.setenv("KEEPRATE_WORKSPACE", str(folder))
    return folder


@pytest.fixture
def session(workspace: Path) -> Iterator[Session]:
    with open_session(locate_home()) as opened:
        yield opened


def pictures(workspace: Path) -> list[Path]:
    return sorted((workspace / "heads").rglob("*.jpg"), key=lambda path: path.name)


def embed(session: Session) -> EmbedOutcome:
    return embed_all(session, WorkerWithoutProcess(session))


def test_vectors_are_used_as_they_are_without_loading_the_model(workspace: Path, session: Session) -> None:
    database = make_database(workspace, [("clip-vit-l", "openai/clip-vit-large-patch14", DIMENSION)])
    for number, picture in enumerate(pictures(workspace)):
        if number != 3:
            cache(database, picture, np.full(DIMENSION, number + 1))
    cache(database, workspace / "headmaster.db", np.ones(DIMENSION))  # of a picture that is gone
    cache(database, pictures(workspace)[3], b"no vector")
    before = state_of(workspace)

    outcome = import_workspace(session, workspace)
    assert (outcome.photos, outcome.turned, outcome.unusable, outcome.not_found) == (8, 1, 1, 1)
    assert [model.vectors for model in outcome.models] == [6]
    assert outcome.active == "clip-vit-l"
    assert state_of(workspace) == before

    again = import_workspace(session, workspace)
    assert [model.vectors for model in again.models] == [0]

    model = models.active(session.catalog)
    assert (model.embed_dim, model.cached) == (DIMENSION, 6)
    for number in (7, 3):  # these two would need the model, which is not here: no network, no weights
        pictures(workspace)[number].unlink()
    import_workspace(session, workspace)  # looks at the folders again
    assert replace(embed(session), seconds=0.0) == EmbedOutcome(looked=6)
    assert embeddings.count_wanted(session.catalog, model.id, SIGNALS_VERSION) == 0
    (vector,) = (v for v in embeddings.vectors_of(session.catalog, model.id, _keys(session)).values() if v[0] == 1)
    np.testing.assert_array_equal(vector, np.ones(DIMENSION))


def _keys(session: Session) -> list[str]:
    return [key for (key,) in session.catalog.conn.execute("SELECT content_key FROM photos")]


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from support.tiny_models import save_tiny

    return save_tiny("dinov2", tmp_path / "dinov2")


def _headmasters_vectors(model: Path, paths: list[Path]) -> np.ndarray:
    """As headmaster computes them: the library's own processor and model, orientation ignored."""
    import torch
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(model, backend="pil")
    network = transformers.AutoModel.from_pretrained(model).eval()
    rows = []
    for path in paths:
        with Image.open(path) as image, torch.inference_mode():
            inputs = processor(images=image.convert("RGB"), return_tensors="pt")
            rows.append(network(**inputs).pooler_output[0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize("same", [True, False])
def test_imported_vectors_are_compared_when_the_model_is_first_loaded(
    workspace: Path, session: Session, tiny_model: Path, same: bool
) -> None:
    database = make_database(workspace, [("tiny", str(tiny_model), DIMENSION)])
    known = pictures(workspace)[:6]
    vectors = _headmasters_vectors(tiny_model, known)
    for picture, vector in zip(known, vectors, strict=True):
        cache(database, picture, vector if same else -vector)
    checkpoint = make_checkpoint(workspace / "out" / "hotdog.pt", DIMENSION, "tiny", ("negative", "positive"))
    (taken,) = import_workspace(session, workspace).heads
    assert (taken.version, taken.checkpoint) == (1, str(checkpoint))
    provisional = models.active(session.catalog).fingerprint

    outcome = embed(session)
    model = models.active(session.catalog)
    assert model.fingerprint != provisional
    assert model.cached == 8
    version = heads.in_use(session.catalog, "hotdog")
    assert version is not None
    assert version.file is not None
    head = load_head(session.home.heads_dir / version.file)
    if same:
        assert (outcome.looked, outcome.embedded) == (6, 2)
        assert "they stay" in outcome.note
        assert heads.can_score(session.catalog, version)
        assert head.model_fingerprint == model.fingerprint
        stored = embeddings.vectors_of(session.catalog, model.id, _keys(session)).values()
        assert sum(any(np.array_equal(one, vector) for one in stored) for vector in vectors) == 6
    else:
        assert outcome.embedded == 8
        assert "dropped" in outcome.note
        assert not heads.can_score(session.catalog, version)


def test_names_that_are_taken_and_models_that_were_used(workspace: Path, session: Session) -> None:
    models.add(session.catalog, "clip", "somebody/else", embed_dim=5, revision=None)
    models.add(session.catalog, "mine", "facebook/dinov2-small", embed_dim=384, revision=None)
    make_database(workspace, [("clip", "openai/clip", DIMENSION), ("dino", "facebook/dinov2-small", 999)])
    first, second = import_workspace(session, workspace).models
    assert (first.name, first.path) == ("clip-headmaster", "openai/clip")
    assert second.name == "mine"
    assert "999 numbers there and 384 here" in second.note or second.vectors == 0


def test_a_checkpoint_scores_as_headmaster_would(workspace: Path, session: Session) -> None:
    pytest.importorskip("torch")
    models.add(session.catalog, "clip", "openai/clip", embed_dim=DIMENSION, revision=None)
    path = make_checkpoint(workspace / "out" / "hotdog.pt", DIMENSION, "clip", ("negative", "positive"))
    before = state_of(workspace)
    taken = import_checkpoint(session, path)
    version = heads.in_use(session.catalog, "hotdog")
    assert version is not None
    assert (version.kind, version.threshold, version.buckets) == ("mlp", 0.42, ("positive", "negative"))
    assert "headmaster's network by clip" in taken.note == version.reason
    make_database(workspace, [])
    before = state_of(workspace)
    (again,) = import_workspace(session, workspace).heads
    assert (again.version, again.note) == (None, "Not taken over: it was imported before.")
    assert state_of(workspace) == before


def test_checkpoints_that_do_not_fit_are_refused_by_name_and_numbers(workspace: Path, session: Session) -> None:
    pytest.importorskip("torch")
    models.add(session.catalog, "clip", "openai/clip", embed_dim=DIMENSION, revision=None)
    out = workspace / "out"
    cases: list[tuple[Path, str | None, type[KeeprateError], str]] = [
        (make_checkpoint(out / "hotdog.pt", 7, "clip", ("negative", "positive")), None, CheckpointError,
         "takes vectors of 7 numbers, but the model 'clip' gives 48"),
        (make_checkpoint(out / "other.pt", DIMENSION, "dino", ("negative", "positive")), "hotdog", CheckpointError,
         "the model 'dino', which is not registered"),
        (make_checkpoint(out / "third.pt", DIMENSION, "clip", ("a", "b", "c")), "hotdog", CheckpointError,
         "knows the classes a, b, c"),
        (make_checkpoint(out / "nobody.pt", DIMENSION, "clip", ("a", "b")), None, UsageError,
         "no head called 'nobody'"),
    ]  # fmt: skip
    for path, head, error, said in cases:
        with pytest.raises(error, match=said):
            import_checkpoint(session, path, head)
    assert heads.history(session.catalog, "hotdog") == []
    make_database(workspace, [])
    notes = [one.note for one in import_workspace(session, workspace).heads]
    assert len(notes) == 4
    assert all(note.startswith("Not taken over: ") for note in notes)


def test_databases_that_cannot_be_read_are_told_and_nothing_is_taken(workspace: Path, session: Session) -> None:
    path = workspace / "headmaster.db"
    with pytest.raises(ImportFailedError, match=r"no headmaster\.db"):
        import_workspace(session, workspace)
    with pytest.raises(UsageError, match="no such workspace"):
        import_workspace(session, workspace / "gone")
    path.write_bytes(b"SQLite format 3\0" + b"garbage" * 900)
    with pytest.raises(ImportFailedError, match="damaged"):
        import_workspace(session, workspace)
    path.unlink()
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE models (id INTEGER, name TEXT)")
    conn.close()
    with pytest.raises(ImportFailedError, match="models has no active, embed_dim, path"):
        import_workspace(session, workspace)
    path.unlink()

    make_database(workspace, [("clip", "openai/clip", DIMENSION)])
    cut = path.read_bytes()
    path.write_bytes(cut[: len(cut) // 2])
    with pytest.raises(ImportFailedError):
        import_workspace(session, workspace)
    path.write_bytes(cut)
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ImportFailedError, match="in use"), open_headmaster(path):
        pass
    conn.close()
    assert [model.name for model in models.all_models(session.catalog)] == ["builtin"]


def test_a_database_in_wal_mode_gets_no_files_beside_it(workspace: Path, session: Session) -> None:
    path = make_database(workspace, [("clip", "openai/clip", DIMENSION)])
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.close()
    before = state_of(workspace)
    assert [model.name for model in import_workspace(session, workspace).models] == ["clip"]
    assert state_of(workspace) == before


def test_what_strangers_put_into_a_workspace_stops_nothing(workspace: Path, session: Session) -> None:
    """A home of nobody, vectors of any length and size, pipes in place of pictures and checkpoints."""
    known = pictures(workspace)
    database = make_database(workspace, [("clip", "~nosuchuser/clip", DIMENSION)])
    cache(database, known[0], np.ones(DIMENSION))
    cache(database, known[1], np.ones(DIMENSION + 1))
    cache(database, known[2], np.full(DIMENSION, 1e30))
    (workspace / "out").mkdir()
    os.mkfifo(workspace / "out" / "hotdog.pt")
    os.mkfifo(workspace / "heads" / "hotdog" / "positive" / "pipe.jpg")
    outcome = import_workspace(session, workspace)
    assert [(model.path, model.vectors) for model in outcome.models] == [("~nosuchuser/clip", 1)]
    assert outcome.unusable == 2
    assert [head.note for head in outcome.heads] == ["Not taken over: it is no file."]


def test_vectors_of_another_length_are_not_read(workspace: Path) -> None:
    database = make_database(workspace, [("clip", "openai/clip", DIMENSION)])
    picture = pictures(workspace)[0]
    cache(database, picture, b"0" * (50 << 20))
    with open_headmaster(database) as opened:
        (model,) = opened.models()
        tracemalloc.start()
        found = list(opened.vectors(model, list(opened.hashes())))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert [vector for _, vector in found] == [None]
    assert peak < 1 << 20
