from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from keeprate.paths import locate_home
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import open_session
from support.commands import answer, keeprate, run
from support.judging import WorkerWithoutProcess
from support.photos import write_photos
from support.tiny_models import save_tiny, save_tokenizer

pytest.importorskip("transformers")


def vector_of(path: Path, home: Path) -> npt.NDArray[np.float32]:
    import sqlite3

    with sqlite3.connect(home / "keeprate" / "catalog.db") as catalog:
        (row,) = catalog.execute(
            "SELECT vector FROM embeddings JOIN files USING (content_key) JOIN models ON models.id = model_id "
            "WHERE files.path = ? AND active",
            (str(path),),
        ).fetchall()
    catalog.close()
    return np.frombuffer(row[0], np.float32)


def look_anew() -> None:
    """Scan and embed without a worker process: loading torch again each time takes longer than all else."""
    with open_session(locate_home()) as session:
        scan(session)
        embed_all(session, WorkerWithoutProcess(session))


@pytest.mark.slow
def test_a_rename_changes_the_vector_of_a_model_with_file_names_and_of_no_other(tmp_path: Path, home: Path) -> None:
    folder = save_tiny("clip", tmp_path / "clip")
    save_tokenizer(folder)
    root = tmp_path / "camera"
    first, second = write_photos(root, range(2))
    keeprate("init", root)
    keeprate("model", "add", "plain", "--path", folder)
    assert "renaming" in keeprate("model", "add", "named", "--path", folder, "--file-names")
    keeprate("model", "activate", "plain")
    look_anew()
    plain = vector_of(first, home)
    assert "renaming" in keeprate("model", "activate", "named")
    look_anew()
    named = vector_of(first, home)
    assert (len(plain), len(named)) == (24, 48)
    np.testing.assert_allclose(named[:24], plain, atol=0.05)  # one may have been made in bfloat16
    assert {model["name"]: model["cached"] for model in answer("model", "list")} == {
        "builtin": 0, "named": 2, "plain": 2,
    }  # fmt: skip
    untouched = vector_of(second, home)
    renamed = first.rename(root / "beach at sunset.jpg")
    look_anew()
    again = vector_of(renamed, home)
    np.testing.assert_allclose(again[:24], plain, atol=0.05)
    assert not np.allclose(again[24:], named[24:], atol=0.1)
    np.testing.assert_array_equal(vector_of(second, home), untouched)
    keeprate("model", "activate", "plain")
    np.testing.assert_array_equal(vector_of(renamed, home), plain)


def test_a_model_of_pictures_only_says_so(tmp_path: Path) -> None:
    write_photos(tmp_path / "camera", range(1))
    keeprate("init", tmp_path / "camera")
    keeprate("model", "add", "dino", "--path", save_tiny("dinov2", tmp_path / "dino"), "--file-names")
    keeprate("model", "activate", "dino")
    done = run("sync")
    assert done.code == 1
    assert "looks at pictures only" in done.err
    assert "--file-names" in done.err
