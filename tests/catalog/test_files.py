from __future__ import annotations

import pytest

from keeprate.catalog import Catalog, files
from support.catalogs import add_file


def test_signatures_of_a_library_and_of_a_folder(catalog: Catalog) -> None:
    add_file(catalog, "/p/a/1.jpg", "k1")
    add_file(catalog, "/p/a b/2.jpg", "k2")
    add_file(catalog, "/p/a/deep/3.jpg", "k3")
    add_file(catalog, "/q/4.jpg", "k4", library="other")
    assert set(files.known_signatures(catalog, "camera")) == {"/p/a/1.jpg", "/p/a b/2.jpg", "/p/a/deep/3.jpg"}
    assert set(files.known_signatures(catalog, "camera", "/p/a")) == {"/p/a/1.jpg", "/p/a/deep/3.jpg"}


@pytest.mark.parametrize("name", ["\udcff\udcfe.jpg", "new\nline.jpg", "ö 漢字 🙂.jpg", "quote'\".jpg"])
def test_odd_names_come_back_as_they_were(catalog: Catalog, name: str) -> None:
    add_file(catalog, f"/p/{name}", "k1")
    assert [file.path for file in files.present(catalog)] == [f"/p/{name}"]
    assert files.content_keys_at(catalog, [f"/p/{name}"]) == {f"/p/{name}": "k1"}


def test_an_inode_of_64_bits_is_stored_and_compared_alike(catalog: Catalog) -> None:
    add_file(catalog, "/p/1.jpg", "k1", inode=2**64 - 3)
    known = files.known_signatures(catalog, "camera")["/p/1.jpg"]
    assert known == files.signed_signature((10, 20, 30, 2**64 - 3))


def test_a_gone_path_keeps_its_row_and_comes_back(catalog: Catalog) -> None:
    add_file(catalog, "/p/1.jpg", "k1")
    with catalog.db.atomic():
        files.mark_gone(catalog, ["/p/1.jpg"])
    assert files.present(catalog) == []
    assert files.content_keys_at(catalog, ["/p/1.jpg"]) == {"/p/1.jpg": "k1"}
    add_file(catalog, "/p/1.jpg", "k1")
    assert len(files.present(catalog)) == 1


def test_seen_elsewhere_counts_gone_paths_of_the_same_library_only(catalog: Catalog) -> None:
    add_file(catalog, "/p/in/1.jpg", "k1")
    add_file(catalog, "/q/2.jpg", "k2", library="other")
    with catalog.db.atomic():
        files.mark_gone(catalog, ["/p/in/1.jpg"])
    add_file(catalog, "/p/keep/1.jpg", "k1")
    add_file(catalog, "/p/keep/2.jpg", "k2")
    assert files.was_elsewhere(catalog, "k1", "camera", ["/p/keep/1.jpg"])
    assert not files.was_elsewhere(catalog, "k2", "camera", ["/p/keep/2.jpg"])
