from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from keeprate.watching.exclusions import Exclusions
from keeprate.watching.roots import RootReport, RootState, root_state
from keeprate.watching.signature import Signature
from keeprate.watching.walk import walk_library
from support.system import mount_tmpfs, mounted_tmpfs, run_as_nobody, unmount
from support.trees import files_in, is_picture, make_files

ANOTHER_DEVICE = 987_654_321
Sample = dict[str, Signature]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    make_files(root, "a.jpg", "keep/b.jpg", "2019/rome/c.jpg", "2019/d.jpg")
    return root


def known_files(root: Path) -> Sample:
    return files_in(walk_library(root, exclude=Exclusions(), is_picture=is_picture))


def look(root: Path, sample: Sample, *, device: int | None = None, inode: int | None = None) -> RootReport:
    return root_state(root, known_device=device, known_inode=inode, sample=sample, exclude=Exclusions())


def test_a_root_that_is_seen_for_the_first_time(library: Path) -> None:
    report = look(library, {})
    assert report.online
    assert (report.device, report.inode) == (library.stat().st_dev, library.stat().st_ino)


def test_a_new_library_may_be_empty(tmp_path: Path) -> None:
    assert look(tmp_path, {}).state is RootState.ONLINE


def test_the_same_folder_needs_no_proof(library: Path) -> None:
    sample = known_files(library)
    first = look(library, sample)
    for name in os.listdir(library):
        shutil.rmtree(library / name) if (library / name).is_dir() else (library / name).unlink()
    make_files(library, "new.jpg")
    assert look(library, sample, device=first.device, inode=first.inode).state is RootState.ONLINE


def test_a_root_that_is_not_there(library: Path) -> None:
    sample = known_files(library)
    library.rename(library.with_name("moved away"))
    report = look(library, sample)
    assert report.state is RootState.MISSING
    assert str(library) in report.sentence
    assert report.device is None


def test_a_root_that_is_a_file_or_a_dangling_link_or_in_a_file(tmp_path: Path) -> None:
    make_files(tmp_path, "file")
    (tmp_path / "link").symlink_to("/not/there")
    for name in ("file", "link", "file/deep"):
        assert look(tmp_path / name, {}).state is RootState.MISSING, name


@pytest.mark.parametrize("leftovers", [(), ("lost+found/", ".Trash-1000/files/a.jpg", ".keeprate-0.tmp")])
def test_an_empty_root_that_held_photos(library: Path, leftovers: tuple[str, ...]) -> None:
    sample = known_files(library)
    shutil.rmtree(library)
    library.mkdir()
    make_files(library, *leftovers)
    assert look(library, sample).state is RootState.EMPTY
    assert look(library, sample, device=library.stat().st_dev, inode=library.stat().st_ino).state is RootState.EMPTY


class TestAnotherDeviceNumber:
    def test_with_the_known_files_is_the_same_disk(self, library: Path) -> None:
        assert look(library, known_files(library), device=ANOTHER_DEVICE, inode=2).state is RootState.ONLINE

    def test_one_untouched_file_is_proof(self, library: Path) -> None:
        sample = known_files(library)
        for name in ("a.jpg", "keep/b.jpg", "2019/d.jpg"):
            (library / name).unlink()
        assert look(library, sample, device=ANOTHER_DEVICE, inode=2).state is RootState.ONLINE

    def test_a_copy_with_new_times_is_taken_by_its_sizes(self, library: Path) -> None:
        sample = known_files(library)
        copy = library.with_name("copy")
        shutil.copytree(library, copy, copy_function=shutil.copyfile)
        shutil.rmtree(library)
        copy.rename(library)
        for path in sample:
            os.utime(path, (1, 1))
        assert look(library, sample, device=ANOTHER_DEVICE, inode=2).state is RootState.ONLINE

    def test_with_other_photos_is_another_disk(self, library: Path) -> None:
        sample = known_files(library)
        shutil.rmtree(library)
        make_files(library, "DCIM/100CANON/IMG_0001.jpg")
        make_files(library, "a.jpg")
        (library / "a.jpg").write_bytes(b"a photo of the same name, but not of the same size")
        report = look(library, sample, device=ANOTHER_DEVICE, inode=2)
        assert report.state is RootState.REPLACED
        assert "another folder" in report.sentence

    def test_of_a_library_without_photos_is_fine(self, library: Path) -> None:
        assert look(library, {}, device=ANOTHER_DEVICE, inode=2).state is RootState.ONLINE


def test_a_disk_that_is_unplugged_swapped_and_plugged_in_again(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    with mounted_tmpfs(root):
        make_files(root, "2019/a.jpg")
        sample = known_files(root)
        first = look(root, sample)
        assert first.online
        unmount(root)

        def now() -> RootState:
            return look(root, sample, device=first.device, inode=first.inode).state

        assert now() is RootState.EMPTY
        mount_tmpfs(root)
        assert now() is RootState.EMPTY
        make_files(root, "2020/b.jpg")
        assert now() is RootState.REPLACED
        make_files(root, "2019/a.jpg")
        os.utime(root / "2019" / "a.jpg", ns=(0, sample[f"{root}/2019/a.jpg"].mtime_ns))
        assert now() is RootState.ONLINE


def test_another_memory_card_with_the_same_device_number(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path):
        make_files(tmp_path, "DCIM/other.jpg")
        status = tmp_path.stat()
        sample = {f"{tmp_path}/DCIM/a.jpg": Signature(1, 2, 3, 4)}
        assert look(tmp_path, sample, device=status.st_dev, inode=status.st_ino).state is RootState.REPLACED


def test_a_root_that_may_not_be_read(open_folder: Path) -> None:
    make_files(open_folder, "library/a.jpg")
    (open_folder / "library").chmod(0o711)
    code = (
        "import json, sys; from pathlib import Path\n"
        "from keeprate.watching.roots import root_state; from keeprate.watching.exclusions import Exclusions\n"
        "print(json.dumps(root_state(Path(sys.argv[1]), known_device=None, known_inode=None, sample={},\n"
        "    exclude=Exclusions()).state))"
    )
    assert run_as_nobody(code, str(open_folder / "library")) == "denied"
