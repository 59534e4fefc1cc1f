from __future__ import annotations

from pathlib import Path

import pytest

from keeprate.catalog import embeddings, files, labels
from keeprate.errors import UsageError
from keeprate.steps.labels.forgetting import forget, gone_photos, photos_of
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import Session
from support.catalogs import add_vector
from support.photos import write_photos


@pytest.fixture
def sorted_photos(session: Session, root: Path) -> list[Path]:
    """Three photos in keep/, each with a vector; the last is deleted."""
    paths = write_photos(root / "keep", range(3))
    scan(session)
    for key in labels.current(session.catalog, "keep"):
        add_vector(session.catalog, key, [1, 2])
    paths[2].unlink()
    scan(session)
    return paths


def test_gone_photos_are_forgotten_with_all_that_was_known(session: Session, sorted_photos: list[Path]) -> None:
    gone = gone_photos(session)
    assert gone == photos_of(session, [sorted_photos[2]])
    assert forget(session, gone, dry_run=True).labels == 1
    assert len(labels.current(session.catalog, "keep")) == 3
    outcome = forget(session, gone)
    assert (outcome.photos, outcome.labels, outcome.still_there) == (1, 1, ())
    assert len(labels.current(session.catalog, "keep")) == 2
    assert embeddings.vectors_of(session.catalog, 1, gone) == {}
    assert gone_photos(session) == []
    with pytest.raises(UsageError, match="no photo"):
        photos_of(session, [sorted_photos[2]])
    assert sorted_photos[0].exists()


def test_a_photo_that_still_lies_in_its_bucket_is_said_so_and_seen_again(
    session: Session, root: Path, sorted_photos: list[Path]
) -> None:
    keys = photos_of(session, sorted_photos[:1])
    outcome = forget(session, keys)
    assert outcome.still_there == (str(sorted_photos[0]),)
    assert set(labels.current(session.catalog, "keep")) & set(keys) == set()
    assert [file.path for file in files.of_photo(session.catalog, keys[0])] == [str(sorted_photos[0])]
    scan(session)
    assert labels.current(session.catalog, "keep")[keys[0]].source == "folder"
    (root / "new").mkdir()
    sorted_photos[0].rename(root / "new" / "moved-out.jpg")
    scan(session)
    forget(session, keys)
    scan(session)
    assert keys[0] not in labels.current(session.catalog, "keep")


def test_of_one_head_only(session: Session, sorted_photos: list[Path]) -> None:
    key = photos_of(session, sorted_photos[:1])[0]
    with pytest.raises(UsageError):
        forget(session, [key], "nobody")
    forget(session, [key], "keep")
    assert key not in labels.current(session.catalog, "keep")
    assert list(embeddings.vectors_of(session.catalog, 1, [key])) == [key]
