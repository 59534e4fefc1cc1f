from __future__ import annotations

import pytest

from keeprate.catalog import Catalog, models
from keeprate.errors import UsageError
from support.catalogs import add_file, add_vector


def test_the_builtin_model_is_active_until_another_is(catalog: Catalog) -> None:
    assert models.active(catalog).name == "builtin"
    models.add(catalog, "clip", "openai/clip", embed_dim=512, revision="abc")
    assert models.active(catalog).name == "builtin"
    assert models.activate(catalog, "clip").active
    assert [model.name for model in models.all_models(catalog) if model.active] == ["clip"]


def test_removing_a_model_takes_its_vectors_and_no_others(catalog: Catalog) -> None:
    clip = models.add(catalog, "clip", "openai/clip", embed_dim=2, revision=None)
    add_file(catalog, "/p/0.jpg", "k0")
    add_vector(catalog, "k0", [1, 2])
    add_vector(catalog, "k0", [3, 4], model_id=clip.id)
    models.activate(catalog, "clip")
    assert models.remove(catalog, "clip").cached == 1
    assert models.active(catalog).name == "builtin"
    assert models.active(catalog).cached == 1


def test_other_weights_under_the_same_name_drop_the_old_vectors(catalog: Catalog) -> None:
    add_file(catalog, "/p/0.jpg", "k0")
    add_vector(catalog, "k0", [1, 2])
    assert models.record_loaded(catalog, models.active(catalog), embed_dim=2, fingerprint="one") == 0
    assert models.record_loaded(catalog, models.active(catalog), embed_dim=2, fingerprint="one") == 0
    assert models.record_loaded(catalog, models.active(catalog), embed_dim=2, fingerprint="two") == 1
    assert models.active(catalog).cached == 0


def test_the_id_of_a_removed_model_is_never_given_again(catalog: Catalog) -> None:
    one = models.add(catalog, "one", "/one", embed_dim=2, revision=None)
    catalog.conn.execute(
        "INSERT INTO head_versions (head, version, trained_at, kind, buckets, label_counts, label_hash, model_id, "
        "fingerprint, metrics, reason) VALUES ('keep', 1, 0, 'logistic', '[]', '{}', '', ?, 'f', '{}', '')",
        (one.id,),
    )
    models.remove(catalog, "one")
    assert models.add(catalog, "two", "/two", embed_dim=2, revision=None).id > one.id


def test_mistakes_are_sentences(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="no model called 'clip'"):
        models.activate(catalog, "clip")
    with pytest.raises(UsageError, match="cannot be removed"):
        models.remove(catalog, "builtin")
    with pytest.raises(UsageError, match="registered already"):
        models.add(catalog, "builtin", "x", embed_dim=None, revision=None)
