"""Tests of keeprate.safe_files: whatever goes wrong, the old or the new content stands, whole."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeprate import renaming, safe_files
from keeprate.safe_files import (
    TEMPORARY_PREFIX,
    FileChangedError,
    create_file,
    file_state,
    read_file,
    remove_file,
    replace_file,
    sweep_temporaries,
)
from support.waiting import let_pass, next_line

OLD = b"old " * 5000
NEW = b"new " * 6000


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(OLD)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB with 220 kB taken: room for a little, not for a second photo."""
    needs_root()
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    (folder / "filler").write_bytes(bytes(200 * 1024))
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class TestReplaceFile:
    def test_gives_the_file_its_new_content_and_leaves_nothing_else(self, photo: Path) -> None:
        state = replace_file(photo, NEW)
        assert photo.read_bytes() == NEW
        assert state == file_state(photo)
        assert names_in(photo.parent) == ["photo.jpg"]

    def test_keeps_permissions_owner_and_extended_attributes(self, photo: Path) -> None:
        os.setxattr(photo, "user.baloo.rating", b"8")
        photo.chmod(0o2640)
        if os.geteuid() == 0:
            os.chown(photo, 4711, 4712)
            photo.chmod(0o2640)
        before = photo.stat()
        replace_file(photo, NEW)
        after = photo.stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
        assert os.getxattr(photo, "user.baloo.rating") == b"8"

    def test_keeps_the_access_list(self, photo: Path) -> None:
        # version 2; user::rw- user:4711:rw- group::r-- mask::rw- other::---
        entries = [(1, 6, -1), (2, 6, 4711), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
        access_list = b"\x02\0\0\0" + b"".join(
            tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
            for tag, bits, who in entries
        )
        try:
            os.setxattr(photo, "system.posix_acl_access", access_list)
        except OSError as error:
            pytest.skip(f"no access lists here: {error}")
        replace_file(photo, NEW)
        assert os.getxattr(photo, "system.posix_acl_access") == access_list

    def test_sets_the_modification_time_to_the_nanosecond(self, photo: Path) -> None:
        replace_file(photo, NEW, mtime_ns=1_234_567_890_123_456_789)
        assert photo.stat().st_mtime_ns == 1_234_567_890_123_456_789

    def test_a_new_file_gets_what_the_umask_leaves(self, tmp_path: Path) -> None:
        previous = os.umask(0o027)
        try:
            replace_file(tmp_path / "new.xmp", NEW)
        finally:
            os.umask(previous)
        assert (tmp_path / "new.xmp").stat().st_mode & 0o7777 == 0o640

    def test_a_symbolic_link_stays_and_its_target_is_replaced(self, photo: Path) -> None:
        link = photo.parent / "link.jpg"
        link.symlink_to(photo.name)
        replace_file(link, NEW)
        assert link.is_symlink()
        assert photo.read_bytes() == NEW

    def test_a_loop_of_links_is_refused(self, tmp_path: Path) -> None:
        loop = tmp_path / "loop"
        loop.symlink_to("loop")
        with pytest.raises(OSError) as caught:
            replace_file(loop, NEW)
        assert caught.value.errno == errno.ELOOP
        assert loop.is_symlink()

    @pytest.mark.parametrize("kind", ["folder", "pipe"])
    def test_only_regular_files_are_replaced(self, tmp_path: Path, kind: str) -> None:
        place = tmp_path / "place"
        if kind == "folder":
            place.mkdir()
        else:
            os.mkfifo(place)
        with pytest.raises(OSError):
            replace_file(place, NEW)
        assert names_in(tmp_path) == ["place"]

    def test_a_name_that_is_no_unicode(self, tmp_path: Path) -> None:
        path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
        path.write_bytes(OLD)
        replace_file(path, NEW)
        assert path.read_bytes() == NEW

    def test_an_empty_file(self, photo: Path) -> None:
        replace_file(photo, b"")
        assert photo.read_bytes() == b""


class TestLostUpdates:
    def test_a_file_edited_since_it_was_seen_is_left_alone(self, photo: Path) -> None:
        seen = file_state(photo)
        photo.write_bytes(b"the user's edit")
        with pytest.raises(FileChangedError):
            replace_file(photo, NEW, seen=seen)
        assert photo.read_bytes() == b"the user's edit"

    def test_an_edit_that_put_size_and_time_back_is_seen(self, photo: Path) -> None:
        seen = file_state(photo)
        assert seen is not None
        photo.write_bytes(OLD[::-1])
        os.utime(photo, ns=(seen.mtime_ns, seen.mtime_ns))
        with pytest.raises(FileChangedError):
            replace_file(photo, NEW, seen=seen)

    def test_a_deleted_file_does_not_come_back(self, photo: Path) -> None:
        seen = file_state(photo)
        photo.unlink()
        with pytest.raises(FileChangedError):
            replace_file(photo, NEW, seen=seen)
        assert names_in(photo.parent) == []

    def test_an_edit_while_we_write_wins(self, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real_fsync = os.fsync

        def edit_then_fsync(descriptor: int) -> None:
            photo.write_bytes(b"the user's edit")
            real_fsync(descriptor)

        monkeypatch.setattr(os, "fsync", edit_then_fsync)
        with pytest.raises(FileChangedError):
            replace_file(photo, NEW)
        assert photo.read_bytes() == b"the user's edit"
        assert names_in(photo.parent) == ["photo.jpg"]

    @pytest.mark.parametrize("way", ["in place", "by rename", "removed"])
    def test_an_edit_after_the_last_look_wins(self, photo: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        real_rename = renaming._rename_with
        ways: dict[str, Callable[[], object]] = {
            "in place": lambda: photo.write_bytes(b"the user's edit"),
            "by rename": lambda: Path(shutil.copy(Path(__file__), photo.with_name("theirs"))).replace(photo),
            "removed": photo.unlink,
        }
        edits = [ways[way]]

        def edit_then_rename(flag: int, source: Path, target: Path) -> bool:
            while edits:
                edits.pop()()
            return real_rename(flag, source, target)

        monkeypatch.setattr(renaming, "_rename_with", edit_then_rename)
        if not renaming._renameat2():
            pytest.skip("there is no renameat2 here")
        with pytest.raises(FileChangedError):
            replace_file(photo, NEW)
        assert names_in(photo.parent) == ([] if way == "removed" else ["photo.jpg"])
        if way != "removed":
            assert photo.read_bytes() == (b"the user's edit" if way == "in place" else Path(__file__).read_bytes())

    def test_a_watched_file_never_has_another_name(self, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(safe_files, "exchange", None)
        real_fsync, edits = os.fsync, [b"the user's edit"]

        def edit_then_fsync(descriptor: int) -> None:
            while edits:
                photo.write_bytes(edits.pop())
            real_fsync(descriptor)

        monkeypatch.setattr(os, "fsync", edit_then_fsync)
        with pytest.raises(FileChangedError):
            replace_file(photo, NEW, watched=True)
        assert photo.read_bytes() == b"the user's edit"
        replace_file(photo, NEW, watched=True)
        assert (photo.read_bytes(), names_in(photo.parent)) == (NEW, ["photo.jpg"])

    def test_where_files_cannot_be_swapped(self, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(renaming, "_renameat2", lambda: None)
        replace_file(photo, NEW)
        assert photo.read_bytes() == NEW
        assert names_in(photo.parent) == ["photo.jpg"]


class TestCreateFile:
    def test_writes_a_new_file(self, tmp_path: Path) -> None:
        state = create_file(tmp_path / "new.xmp", NEW)
        assert (tmp_path / "new.xmp").read_bytes() == NEW
        assert state == file_state(tmp_path / "new.xmp")
        assert state.link_count == 1
        assert names_in(tmp_path) == ["new.xmp"]

    @pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
    def test_never_overwrites(self, tmp_path: Path, kind: str) -> None:
        place = tmp_path / "place"
        if kind == "file":
            place.write_bytes(OLD)
        elif kind == "folder":
            place.mkdir()
        else:
            place.symlink_to("nowhere")
        with pytest.raises(FileExistsError):
            create_file(place, NEW)
        assert names_in(tmp_path) == ["place"]

    @pytest.mark.parametrize("taken", [False, True])
    def test_without_hard_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool) -> None:
        def no_links(*arguments: object, **options: object) -> None:
            raise OSError(errno.EPERM, "no hard links on this file system")

        monkeypatch.setattr(os, "link", no_links)
        path = tmp_path / "new.xmp"
        if taken:
            path.write_bytes(OLD)
            with pytest.raises(FileExistsError):
                create_file(path, NEW)
        else:
            create_file(path, NEW)
        assert path.read_bytes() == (OLD if taken else NEW)
        assert names_in(tmp_path) == ["new.xmp"]


class TestRemoveFile:
    def test_removes_what_is_as_expected(self, photo: Path) -> None:
        remove_file(photo, expected=OLD)
        assert names_in(photo.parent) == []

    def test_leaves_what_is_not(self, photo: Path) -> None:
        with pytest.raises(FileChangedError):
            remove_file(photo, expected=NEW)
        assert photo.read_bytes() == OLD

    def test_leaves_a_link(self, photo: Path) -> None:
        link = photo.parent / "link"
        link.symlink_to(photo.name)
        with pytest.raises(FileChangedError):
            remove_file(link, expected=OLD)
        assert names_in(photo.parent) == ["link", "photo.jpg"]

    def test_says_when_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            remove_file(tmp_path / "gone", expected=OLD)


class TestReadFile:
    def test_content_and_state(self, photo: Path) -> None:
        assert read_file(photo) == (OLD, file_state(photo))

    def test_refuses_what_is_larger_than_wanted(self, photo: Path) -> None:
        with pytest.raises(OSError) as caught:
            read_file(photo, maximum_bytes=len(OLD) - 1)
        assert caught.value.errno == errno.EFBIG

    def test_a_pipe_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(OSError):
            read_file(tmp_path / "pipe")

    def test_nothing_there_has_no_state(self, tmp_path: Path) -> None:
        assert file_state(tmp_path / "gone") is None


class TestSweep:
    def test_removes_only_our_own_stale_files(self, tmp_path: Path) -> None:
        ours = f"{TEMPORARY_PREFIX}0123456789abcdef.tmp"
        for name in (ours, ".keeprate-notes.tmp", "photo.tmp", f"{ours}.jpg"):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / f"{TEMPORARY_PREFIX}fedcba9876543210.tmp").mkdir()
        assert sweep_temporaries(tmp_path) == 0, "too young"
        assert sweep_temporaries(tmp_path, minimum_age_s=0) == 1
        assert ours not in names_in(tmp_path)
        assert len(names_in(tmp_path)) == 4

    def test_leaves_what_a_living_writer_holds(self, tmp_path: Path) -> None:
        with safe_files._temporary(tmp_path, 0o600) as (_, temporary):
            assert sweep_temporaries(tmp_path, minimum_age_s=0) == 0
            assert temporary.exists()

    def test_a_missing_folder_is_clean(self, tmp_path: Path) -> None:
        assert sweep_temporaries(tmp_path / "gone") == 0


class TestFullDisk:
    def test_no_room_for_the_new_file(self, tiny_disk: Path) -> None:
        photo = tiny_disk / "photo.jpg"
        photo.write_bytes(OLD)
        with pytest.raises(OSError) as caught:
            replace_file(photo, OLD + bytes(40 * 1024))
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(OSError):
            create_file(tiny_disk / "photo.jpg.xmp", bytes(100 * 1024))
        assert photo.read_bytes() == OLD
        assert names_in(tiny_disk) == ["filler", "photo.jpg"]

    def test_over_the_size_limit_of_the_process(self, photo: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from keeprate.safe_files import replace_file\n"
            "try: replace_file(Path(sys.argv[1]), bytes(50_000))\n"
            "except OSError as error: print(error.errno)"
        )
        run = subprocess.run(
            [sys.executable, "-c", program, photo],
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
        )
        assert run.stdout.strip() == str(errno.EFBIG), run.stderr
        assert photo.read_bytes() == OLD
        assert names_in(photo.parent) == ["photo.jpg"]

    def test_a_short_write_is_continued(self, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real_write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:1000]))
        replace_file(photo, NEW)
        assert photo.read_bytes() == NEW

    def test_a_disk_that_lies_is_noticed(self, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real_write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, bytes(len(data))))
        with pytest.raises(OSError, match="read back"):
            replace_file(photo, NEW)
        assert photo.read_bytes() == OLD


WRITER = """
import itertools, sys
from pathlib import Path
from keeprate.safe_files import replace_file
path = Path(sys.argv[1])
print("ready", flush=True)
for round_number in itertools.count():
    replace_file(path, bytes([round_number % 256]) * (300_000 + round_number))
"""


def test_kill_at_any_moment_leaves_a_whole_file(photo: Path) -> None:
    pauses = random.Random(7)
    rounds_seen: set[int] = set()
    for attempt in range(200):
        if attempt >= 50 and len(rounds_seen) > 1:
            break
        with subprocess.Popen([sys.executable, "-c", WRITER, photo], stdout=subprocess.PIPE) as writer:
            try:
                next_line(writer.stdout)
                let_pass(pauses.uniform(0.0, 0.03 * (1 + attempt // 50)))
            finally:
                writer.kill()
        content = photo.read_bytes()
        assert content == OLD or content == bytes([(len(content) - 300_000) % 256]) * len(content)
        rounds_seen.add(len(content))
    assert len(rounds_seen) > 1, "the writer never got to write: the test shows nothing"
    sweep_temporaries(photo.parent, minimum_age_s=0)
    assert names_in(photo.parent) == ["photo.jpg"]
