from __future__ import annotations

import os
import shutil
import stat
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeprate.watching.exclusions import Exclusions
from keeprate.watching.walk import FoundFolder, WalkProblem, look_at, walk_library
from support.system import mounted_tmpfs, run_as_nobody, unmount
from support.trees import files_in, is_picture, make_files, names_in


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    root.mkdir()
    return root


def walk(root: Path, *patterns: str, start: str | None = None) -> Iterator[FoundFolder | WalkProblem]:
    return walk_library(root, exclude=Exclusions(patterns), is_picture=is_picture, start=start)


def look(root: Path, *names: str) -> list[FoundFolder | WalkProblem]:
    paths = [f"{root}/{name}" for name in names]
    return list(look_at(root, paths, exclude=Exclusions(), is_picture=is_picture))


def problems(parts: Iterator[FoundFolder | WalkProblem] | list[FoundFolder | WalkProblem]) -> list[str]:
    return [part.path for part in parts if isinstance(part, WalkProblem)]


class TestWhatIsFound:
    def test_pictures_at_any_depth(self, library: Path) -> None:
        make_files(library, "a.jpg", "B.JPG", "2019/06/c.heic", "keep/d.png", "delete/deep/er/e.cr2", "empty/")
        assert names_in(library, walk(library)) == [
            "2019/06/c.heic",
            "B.JPG",
            "a.jpg",
            "delete/deep/er/e.cr2",
            "keep/d.png",
        ]

    def test_nothing_but_pictures(self, library: Path) -> None:
        make_files(library, "a.jpg", "a.jpg.xmp", "notes.txt", "jpg", ".hidden.jpg", ".keeprate-0.tmp")
        os.mkfifo(library / "pipe.jpg")
        (library / "folder.jpg").mkdir()
        assert names_in(library, walk(library)) == ["a.jpg"]

    def test_the_signature_is_that_of_the_file(self, library: Path) -> None:
        make_files(library, "a.jpg")
        status = (library / "a.jpg").stat()
        (signature,) = files_in(walk(library)).values()
        assert signature.size == status.st_size == len("a.jpg")
        assert signature.mtime_ns == status.st_mtime_ns
        assert signature.ctime_ns == status.st_ctime_ns
        assert signature.inode == status.st_ino

    def test_excluded_folders_and_files(self, library: Path) -> None:
        make_files(library, "a.jpg", "@eaDir/a.jpg", "x/Exports/b.jpg", "raw/b.jpg", "x/raw/c.jpg", "c_small.jpg")
        assert names_in(library, walk(library, "Exports", "*_small.jpg", "/raw")) == ["a.jpg", "x/raw/c.jpg"]

    def test_given_view_folders_and_marked_ones(self, library: Path) -> None:
        make_files(library, "a.jpg", "best/001.jpg", "other/001.jpg", "other/deep/2.jpg", "other/.keeprate-view")
        exclude = Exclusions(folders=[library / "best"])
        assert names_in(library, walk_library(library, exclude=exclude, is_picture=is_picture)) == ["a.jpg"]

    def test_names_that_are_no_utf8_come_back_as_they_are(self, library: Path) -> None:
        raw = os.fsencode(library) + b"/caf\xe9/\xff\n.jpg"
        os.makedirs(os.path.dirname(raw))
        with open(raw, "wb"):
            pass
        (path,) = files_in(walk(library))
        assert os.fsencode(path) == raw

    def test_hard_links_are_files_of_their_own(self, library: Path) -> None:
        make_files(library, "a.jpg", "keep/")
        os.link(library / "a.jpg", library / "keep" / "a.jpg")
        assert names_in(library, walk(library)) == ["a.jpg", "keep/a.jpg"]

    def test_a_subtree_alone(self, library: Path) -> None:
        make_files(library, "a.jpg", "2019/b.jpg", "2019/06/c.jpg")
        assert names_in(library, walk(library, start=f"{library}/2019")) == ["2019/06/c.jpg", "2019/b.jpg"]

    @pytest.mark.parametrize("start", ["gone", "gone/deeper", "@eaDir/x", "view/deep", "../outside", "a.jpg"])
    def test_a_subtree_that_holds_nothing(self, library: Path, start: str) -> None:
        make_files(library, "a.jpg", "@eaDir/x/a.jpg", "view/.keeprate-view", "view/deep/a.jpg", "../outside/a.jpg")
        assert list(walk(library, start=os.path.normpath(f"{library}/{start}"))) == []

    def test_a_root_that_is_a_link(self, library: Path, tmp_path: Path) -> None:
        make_files(library, "2019/a.jpg")
        (tmp_path / "link").symlink_to(library)
        assert names_in(tmp_path / "link", walk(tmp_path / "link")) == ["2019/a.jpg"]


class TestLinks:
    def test_to_a_picture_that_is_in_the_library(self, library: Path) -> None:
        make_files(library, "z/a.jpg", "keep/")
        (library / "keep" / "a.jpg").symlink_to("../z/a.jpg")
        assert names_in(library, walk(library)) == ["z/a.jpg"]
        assert names_in(library, walk(library, start=f"{library}/keep")) == []

    def test_to_a_picture_outside_counts_once(self, library: Path, tmp_path: Path) -> None:
        make_files(tmp_path, "outside/a.jpg")
        for name in ("b.jpg", "a.jpg", "c.jpg"):
            (library / name).symlink_to(tmp_path / "outside" / "a.jpg")
        found = files_in(walk(library))
        assert list(found) == [f"{library}/a.jpg"]
        assert found[f"{library}/a.jpg"].inode == (tmp_path / "outside" / "a.jpg").stat().st_ino

    @pytest.mark.parametrize("target", [".annex/objects/SHA256-1", ".hidden/a.jpg", "objects/SHA256-1"])
    def test_to_what_the_walk_does_not_meet_itself(self, library: Path, target: str) -> None:
        make_files(library, target)
        (library / "a.jpg").symlink_to(target)
        assert names_in(library, walk(library)) == ["a.jpg"]

    def test_to_a_folder_outside(self, library: Path, tmp_path: Path) -> None:
        make_files(tmp_path, "disk/a.jpg", "disk/deep/b.jpg", "disk/@eaDir/c.jpg")
        (library / "disk").symlink_to(tmp_path / "disk")
        assert names_in(library, walk(library)) == ["disk/a.jpg", "disk/deep/b.jpg"]

    def test_two_to_the_same_folder(self, library: Path, tmp_path: Path) -> None:
        make_files(tmp_path, "disk/deep/b.jpg")
        (library / "z").symlink_to(tmp_path / "disk")
        (library / "b").symlink_to(tmp_path / "disk")
        (library / "a").symlink_to(tmp_path / "disk" / "deep")
        assert names_in(library, walk(library)) == ["a/b.jpg"]

    def test_to_a_folder_and_to_a_picture_in_it(self, library: Path, tmp_path: Path) -> None:
        make_files(tmp_path, "disk/b.jpg")
        (library / "a.jpg").symlink_to(tmp_path / "disk" / "b.jpg")
        (library / "z").symlink_to(tmp_path / "disk")
        assert names_in(library, walk(library)) == ["z/b.jpg"]

    @pytest.mark.parametrize("target", [".", "..", "2019", "2019/..", "/", "2019/loop"])
    def test_loops_end(self, library: Path, tmp_path: Path, target: str) -> None:
        make_files(library, "2019/a.jpg")
        make_files(tmp_path, "beside the library.jpg")
        (library / "2019" / "loop").symlink_to(target if target == "/" else library / target)
        assert names_in(library, walk(library)) == ["2019/a.jpg"]

    def test_a_loop_outside_ends(self, library: Path, tmp_path: Path) -> None:
        make_files(tmp_path, "disk/a.jpg")
        (tmp_path / "disk" / "self").symlink_to(tmp_path / "disk")
        (tmp_path / "disk" / "back").symlink_to(library)
        (library / "disk").symlink_to(tmp_path / "disk")
        assert names_in(library, walk(library)) == ["disk/a.jpg"]

    def test_that_leads_nowhere_is_a_problem_and_not_gone(self, library: Path) -> None:
        (library / "a.jpg").symlink_to("/not/there.jpg")
        assert problems(walk(library)) == [f"{library}/a.jpg"]


class TestTrouble:
    def test_a_root_that_is_not_there(self, library: Path) -> None:
        assert problems(walk(library / "gone")) == [f"{library}/gone"]
        assert problems(walk(library / "gone", start=f"{library}/gone/2019")) == [f"{library}/gone"]

    def test_a_root_that_goes_away_during_the_walk(self, library: Path) -> None:
        make_files(library, "2019/a.jpg", "2020/b.jpg")
        parts = walk(library)
        next(parts)
        shutil.rmtree(library)
        assert problems(parts) == [str(library)]

    def test_a_root_that_is_unmounted_during_the_walk(self, library: Path) -> None:
        with mounted_tmpfs(library):
            make_files(library, "2019/a.jpg", "2020/b.jpg")
            parts = walk(library)
            next(parts)
            unmount(library)
            assert problems(parts) == [str(library)]

    def test_a_folder_that_vanishes_between_two_looks_is_no_problem(self, library: Path) -> None:
        make_files(library, "2019/a.jpg", "b.jpg")
        parts = walk(library)
        next(parts)
        shutil.rmtree(library / "2019")
        assert list(parts) == []

    def test_files_that_vanish_during_the_walk_take_no_others_with_them(self, library: Path) -> None:
        """While files come and go in a folder, those that stay are found every time."""
        make_files(library, *(f"stays_{number}.jpg" for number in range(50)))
        done = threading.Event()

        def come_and_go() -> None:
            while not done.is_set():
                for number in range(50):
                    (library / f"goes_{number}.jpg").touch()
                for number in range(50):
                    (library / f"goes_{number}.jpg").unlink()

        thread = threading.Thread(target=come_and_go)
        thread.start()
        try:
            for _ in range(200):
                assert sum("stays" in name for name in names_in(library, walk(library))) == 50
        finally:
            done.set()
            thread.join()

    def test_unreadable_folders(self, open_folder: Path) -> None:
        library = open_folder
        make_files(library, "a.jpg", "closed/b.jpg", "names only/c.jpg", "open/d.jpg")
        (library / "closed").chmod(0)
        (library / "names only").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        code = (
            "import json, sys; from pathlib import Path\n"
            "from keeprate.watching.walk import *; from keeprate.watching.exclusions import Exclusions\n"
            "parts = list(walk_library(Path(sys.argv[1]), exclude=Exclusions(), is_picture=lambda n: True))\n"
            "print(json.dumps([sorted(p.path for p in parts if isinstance(p, WalkProblem)),\n"
            "    sorted(f for p in parts if isinstance(p, FoundFolder) for f, _ in p.files)]))"
        )
        assert run_as_nobody(code, str(library)) == [
            [f"{library}/closed", f"{library}/names only"],
            [f"{library}/a.jpg", f"{library}/open/d.jpg"],
        ]


class TestLookingAtSinglePaths:
    def test_what_is_there_and_nothing_else(self, library: Path) -> None:
        make_files(library, "a.jpg", "2019/b.jpg", "2019/c.jpg", "notes.txt", ".hidden.jpg", "view/.keeprate-view")
        make_files(library, "view/a.jpg", "folder.jpg/")
        asked = (
            "a.jpg",
            "gone.jpg",
            "2019/b.jpg",
            "gone/x.jpg",
            "notes.txt",
            ".hidden.jpg",
            "view/a.jpg",
            "folder.jpg",
        )
        found = look(library, *asked)
        assert names_in(library, found) == ["2019/b.jpg", "a.jpg"]
        assert problems(found) == []

    def test_finds_what_a_walk_finds(self, library: Path) -> None:
        make_files(library, "a.jpg", "2019/b.jpg")
        assert files_in(look(library, "a.jpg", "2019/b.jpg")) == files_in(walk(library))

    def test_links_are_left_to_the_walk(self, library: Path) -> None:
        make_files(library, "a.jpg")
        (library / "b.jpg").symlink_to("a.jpg")
        found = look(library, "a.jpg", "b.jpg")
        assert names_in(library, found) == ["a.jpg"]
        assert problems(found) == [f"{library}/b.jpg"]

    def test_a_root_that_is_not_there(self, library: Path) -> None:
        assert problems(look(library / "gone", "a.jpg")) == [f"{library}/gone"]

    def test_macos_may_ask_in_another_unicode_form(self, library: Path) -> None:
        on_disk, asked = (unicodedata.normalize(form, "Käthe.jpg") for form in ("NFD", "NFC"))
        make_files(library, on_disk)
        assert names_in(library, look(library, asked)) == [on_disk]

    def test_two_unicode_forms_are_two_files_where_they_can_be(self, library: Path) -> None:
        forms = [unicodedata.normalize(form, "Käthe.jpg") for form in ("NFC", "NFD")]
        make_files(library, *forms)
        if len(os.listdir(library)) == 1:
            pytest.skip("needs a file system that tells Unicode forms apart")
        assert names_in(library, look(library, forms[0])) == [forms[0]]
        assert names_in(library, walk(library)) == sorted(forms)
