from __future__ import annotations

import numpy as np
import pytest

from keeprate.catalog import Catalog, embeddings, files, models, problems, scores
from keeprate.catalog.files import SeenFile
from support.catalogs import add_file, add_vector


def test_a_photo_is_wanted_once_however_many_files_it_has(catalog: Catalog) -> None:
    add_file(catalog, "/p/b.jpg", "k1")
    add_file(catalog, "/p/a.jpg", "k1")
    add_file(catalog, "/p/unreadable.jpg", None)
    assert embeddings.wanted(catalog, 1, 1) == [("k1", "/p/a.jpg", "camera")]


def test_embedded_gone_and_failed_photos_are_not_wanted(catalog: Catalog) -> None:
    for number in range(4):
        add_file(catalog, f"/p/{number}.jpg", f"k{number}")
    add_vector(catalog, "k0", [1, 2])
    with catalog.db.atomic():
        files.mark_gone(catalog, ["/p/1.jpg"])
        problems.record(catalog, "decode", "/p/2.jpg", "broken", library="camera", content_key="k2")
    assert [key for key, *_ in embeddings.wanted(catalog, 1, 1)] == ["k3"]
    assert embeddings.count_wanted(catalog, 1, 1) == 1


def test_a_failed_photo_is_wanted_again_when_asked_or_after_an_update(catalog: Catalog) -> None:
    add_file(catalog, "/p/2.jpg", "k2")
    with catalog.db.atomic():
        problems.record(catalog, "decode", "/p/2.jpg", "broken", library="camera", content_key="k2")
    assert embeddings.count_wanted(catalog, 1, 1) == 0
    problems.forgive(catalog, "decode")
    assert embeddings.count_wanted(catalog, 1, 1) == 1


def test_new_signals_or_another_model_want_the_photo_again(catalog: Catalog) -> None:
    add_file(catalog, "/p/0.jpg", "k0")
    add_vector(catalog, "k0", [1, 2])
    assert embeddings.count_wanted(catalog, 1, 1) == 0
    assert embeddings.count_wanted(catalog, 1, signals_version=2) == 1
    other = models.add(catalog, "clip", "/models/clip", embed_dim=2, revision=None)
    assert embeddings.count_wanted(catalog, other.id, 1) == 1


def test_vectors_come_back_as_they_were_stored(catalog: Catalog) -> None:
    add_file(catalog, "/p/0.jpg", "k0")
    add_vector(catalog, "k0", [0.1, -2.5])
    found = embeddings.vectors_of(catalog, 1, ["k0", "nobody"])
    assert list(found) == ["k0"]
    np.testing.assert_array_equal(found["k0"], np.array([0.1, -2.5], np.float32))


@pytest.mark.parametrize("count", [1, embeddings.READ_CHUNK, embeddings.READ_CHUNK + 1])
def test_unscored_photos_come_in_chunks_and_only_until_scored(catalog: Catalog, count: int) -> None:
    with catalog.db.atomic():
        catalog.conn.executemany(
            "INSERT INTO photos (content_key, first_seen, first_folder) VALUES (?, 0, '')",
            [(f"k{number}",) for number in range(count + 1)],
        )
        catalog.conn.executemany(
            "INSERT INTO embeddings (content_key, model_id, vector) VALUES (?, 1, ?)",
            [(f"k{number}", np.array([number, 1], "<f4").tobytes()) for number in range(count + 1)],
        )
        # the last one belongs to no library: it was only classified
        seen = [
            SeenFile(f"/p/{number}.jpg", "camera", (1, 2, 3, number), f"k{number}", "/p") for number in range(count)
        ]
        files.store(catalog, seen)
    chunks = list(embeddings.unscored(catalog, 1, head="keep", version=1, signals_version=None))
    keys = [key for chunk in chunks for key in chunk.content_keys]
    assert len(keys) == count == scores.count_unscored(catalog, "keep", 1, 1)
    assert all(chunk.vectors[0, 0] == int(chunk.content_keys[0][1:]) for chunk in chunks)
    with catalog.db.atomic():
        scores.store(catalog, "keep", 1, keys, np.full((count, 2), 0.5))
    assert list(embeddings.unscored(catalog, 1, head="keep", version=1, signals_version=None)) == []
    assert scores.count_unscored(catalog, "keep", 2, 1) == count


def test_a_sample_is_of_photos_that_a_library_has_or_had(catalog: Catalog) -> None:
    with catalog.db.atomic():
        files.add_photos(catalog, [("foreign", "/card")])
    for number in range(2):
        add_file(catalog, f"/p/{number}.jpg", f"k{number}")
    for key in ("foreign", "k0", "k1"):
        add_vector(catalog, key, [1, 2])
    with catalog.db.atomic():
        files.mark_gone(catalog, ["/p/1.jpg"])
    add_file(catalog, "/q/1.jpg", "other", library="other")
    add_vector(catalog, "other", [1, 2])
    sample = embeddings.sample(catalog, 1, 1, 10, ["camera"])
    assert sample is not None
    assert sample.content_keys == ["k0", "k1"]
