from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent

from keeprate.watching.watches import EventWatch, advice_for, count_folders, watch_limit, watches_advice
from support.system import mount_tmpfs, mounted_tmpfs, unmount
from support.trees import make_files
from support.waiting import wait_until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@contextmanager
def watching(folder: Path) -> Iterator[tuple[EventWatch, list[str]]]:
    """A watch, and the paths that its events name."""
    paths: list[str] = []

    def report(event: FileSystemEvent) -> None:
        paths.append(os.fsdecode(event.dest_path or event.src_path))

    watch = EventWatch(str(folder), report)
    try:
        yield watch, paths
    finally:
        watch.stop()


def test_tells_of_new_files_at_any_depth(tmp_path: Path) -> None:
    make_files(tmp_path, "2019/06/")
    with watching(tmp_path) as (watch, paths):
        make_files(tmp_path, "2019/06/a.jpg")
        wait_until(lambda: f"{tmp_path}/2019/06/a.jpg" in paths)
        assert watch.fault() is None


@linux_only
def test_tells_of_attributes_but_not_of_every_write(tmp_path: Path) -> None:
    make_files(tmp_path, "a.jpg", "b.jpg")
    with watching(tmp_path) as (_, paths):
        with (tmp_path / "b.jpg").open("wb", buffering=0) as file:
            for number in range(1000):
                file.write(b"%d" % number)
                list(tmp_path.iterdir())
                (tmp_path / "a.jpg").read_bytes()
        assert f"{tmp_path}/a.jpg" not in paths
        os.setxattr(tmp_path / "a.jpg", "user.baloo.rating", b"8")
        wait_until(lambda: f"{tmp_path}/a.jpg" in paths)
        assert paths.count(f"{tmp_path}/b.jpg") <= 3


@linux_only
def test_counts_what_the_kernel_watches(tmp_path: Path) -> None:
    make_files(tmp_path, "2019/06/", "2020/", ".hidden/")
    (tmp_path / "link").symlink_to(tmp_path / "2019")
    with watching(tmp_path) as (watch, _), watching(tmp_path / "2019") as (other, _):
        assert watch.folders_held() == count_folders(str(tmp_path)) == 5
        assert other.folders_held() == 2
        make_files(tmp_path, "2021/")
        wait_until(lambda: watch.folders_held() == 6)


def test_a_root_that_is_not_there_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="No such file"):
        EventWatch(str(tmp_path / "gone"), print)
    wait_until(lambda: not set(threading.enumerate()) - before)


def test_stopping_ends_all_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with watching(tmp_path):
        assert set(threading.enumerate()) - before
    wait_until(lambda: not set(threading.enumerate()) - before)


@linux_only
def test_an_unmounted_folder_is_a_fault_even_when_it_is_mounted_again(tmp_path: Path) -> None:
    with mounted_tmpfs(tmp_path), watching(tmp_path) as (watch, _):
        assert watch.fault() is None
        unmount(tmp_path)
        wait_until(lambda: watch.fault() is not None)
        mount_tmpfs(tmp_path)
        assert watch.fault() == "the folder was unmounted for a while"


def test_a_thread_that_died_is_a_fault(tmp_path: Path) -> None:
    with watching(tmp_path) as (watch, _):
        watch.stop()
        assert watch.fault() == "the watcher stopped working"


@linux_only
def test_the_limit_of_this_machine() -> None:
    limit = watch_limit()
    assert limit is not None
    assert limit <= int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())


@pytest.mark.parametrize(
    ("folders", "wanted"), [(10, 524_288), (262_144, 524_288), (262_145, 1_048_576), (10**6, 2_097_152)]
)
def test_the_advice_leaves_room_for_as_many_again(folders: int, wanted: int) -> None:
    assert f"fs.inotify.max_user_watches={wanted} " in watches_advice(folders)


@pytest.mark.parametrize(
    ("number", "setting"),
    [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances"), (errno.EACCES, "")],
)
def test_advice_fits_the_error(number: int, setting: str) -> None:
    advice = advice_for(OSError(number, "no"), 10)
    assert setting in advice
    assert bool(advice) is bool(setting)
