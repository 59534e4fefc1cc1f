from __future__ import annotations

import os
import shutil
from pathlib import Path

from doctor.conftest import Named
from keeprate.config.models import LibraryConfig
from keeprate.doctor.finding import Patient, State
from keeprate.doctor.libraries import look_at_library, look_through, trash_of
from keeprate.steps.photos.scanning import scan
from keeprate.steps.session import open_session
from keeprate.watching.mounts import Mount
from support.commands import run, without_privileges
from support.photos import write_photos
from support.system import mounted_tmpfs


def library_of(patient: Patient) -> LibraryConfig:
    return patient.config.library[0]


def test_a_library_in_order(patient: Patient, named: Named, home: Path) -> None:
    found = named(look_at_library(patient, library_of(patient)))
    assert {one.state for one in found.values()} == {State.OK}
    assert found.keys() == {
        "library.folder", "library.permissions", "library.mount", "library.trash", "library.room"
    }  # fmt: skip
    assert {one.library for one in found.values()} == {"camera"}
    assert "all 3 folders may be read and written to" in found["library.permissions"].sentence
    assert str(home / "xdg-data" / "Trash") in found["library.trash"].sentence


def test_a_root_that_is_gone_empty_or_another(patient: Patient, root: Path, named: Named, tmp_path: Path) -> None:
    write_photos(root, range(3))
    with open_session(patient.home) as session:
        scan(session)
    shutil.rmtree(root)
    (found,) = look_at_library(patient, library_of(patient))
    assert (found.name, found.state) == ("library.folder", State.ERROR)
    assert "is not there" in found.sentence
    root.mkdir()
    (found,) = look_at_library(patient, library_of(patient))
    assert "is empty, although it held photos" in found.sentence
    with open_session(patient.home) as session:
        assert session.catalog.conn.execute("SELECT offline FROM libraries").fetchone() == (None,)  # nothing noted


def test_folders_without_permissions(patient: Patient, root: Path) -> None:
    (root / "closed").mkdir(mode=0)
    (root / "fixed").mkdir()
    (root / "fixed").chmod(0o555)
    patient.home.config_file.write_text(
        patient.home.config_file.read_text() + '[library.marks.order]\nview_folder = "by score"\n'
    )
    done = run("doctor", "--no-speed", before=without_privileges())
    assert f"✗ library  camera: {root}/closed may not be read" in done.out
    assert f"! library  camera: nothing can be written beside the photos in {root}/fixed" in done.out
    assert f"           Give yourself the right: chmod u+w {root}/fixed\n" in done.out
    assert done.code == 1


def test_what_is_excluded_is_not_looked_at(patient: Patient, root: Path) -> None:
    for name in (".hidden", "raw", "raw/deep", "other"):
        (root / name).mkdir()
    library = library_of(patient).model_copy(update={"exclude": ("raw",)})
    found = look_through(library)
    assert (found.looked_at, found.complete) == (4, True)
    hurried = look_through(library, for_s=-1)
    assert (hurried.looked_at, hurried.complete) == (0, False)


def test_a_card_without_links(patient: Patient, root: Path, named: Named) -> None:
    library = library_of(patient).model_copy(update={"marks": {"order": {"view_folder": "by score"}}})
    found = named(look_at_library(patient, library, find_mount=lambda _: Mount("/card", "vfat")))
    assert found["library.links"].state is State.WARNING
    assert f"{root}/by score lies on vfat, which cannot hold links" in found["library.links"].sentence
    assert "renamed photos are read again there" in found["library.mount"].sentence
    assert "library.links" not in named(look_at_library(patient, library))


def test_a_disk_without_attributes(patient: Patient, named: Named) -> None:
    library = library_of(patient).model_copy(update={"marks": {"kde": {}}})
    assert "library.attributes" not in named(look_at_library(patient, library))
    library = library.model_copy(update={"root": Path("/proc/sys/fs/inotify")})
    found = named(look_at_library(patient, library))
    assert found["library.attributes"].state is State.ERROR
    assert "keeps no extended attributes, which marks.kde needs" in found["library.attributes"].sentence


def test_a_share(patient: Patient, named: Named) -> None:
    found = named(look_at_library(patient, library_of(patient), find_mount=lambda _: Mount("/share", "nfs4")))
    assert found["library.mount"].state is State.OK
    assert "scanned every few minutes instead" in found["library.mount"].sentence


def test_a_disk_of_its_own_has_its_own_trash(patient: Patient, tmp_path: Path, home: Path, root: Path) -> None:
    assert trash_of(root) == home / "xdg-data" / "Trash"
    point = tmp_path / "disk"
    point.mkdir()
    with mounted_tmpfs(point):
        photos = point / "deep" / "photos"
        photos.mkdir(parents=True)
        assert trash_of(photos) == point / f".Trash-{os.getuid()}"
        (point / ".Trash").mkdir()
        assert trash_of(photos) == point / f".Trash-{os.getuid()}"
        (point / ".Trash").chmod(0o1777)
        assert trash_of(photos) == point / ".Trash" / str(os.getuid())


def test_a_full_disk(patient: Patient, named: Named, tmp_path: Path) -> None:
    point = tmp_path / "disk"
    point.mkdir()
    with mounted_tmpfs(point, size="1m"):
        library = library_of(patient).model_copy(update={"root": point})
        found = named(look_at_library(patient, library))
    assert found["library.room"].state is State.WARNING
    assert found["library.mount"].sentence == f"camera: on {point} (tmpfs), which is watched."


def test_a_broken_library_is_said_in_json(patient: Patient, root: Path) -> None:
    shutil.rmtree(root)
    done = run("doctor", "--no-speed", "--json")
    assert done.code == 1
    assert '"library": "camera"' in done.out
