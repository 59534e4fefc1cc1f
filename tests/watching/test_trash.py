from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from keeprate.watching.mounts import Mount
from keeprate.watching.signature import Signature, signature_of
from keeprate.watching.trash import DesktopTrash, TrashedFile, parse_note
from support.trees import make_files

WHEN = "2024-05-06T07:08:09"
AT = datetime.fromisoformat(WHEN).astimezone()


@dataclass(frozen=True)
class Desktop:
    """Throws things away as file managers do: note first, then the move."""

    trash: Path
    top: Path | None = None
    """The disk's top folder, which its notes are relative to; None for the home trash."""

    def throw_away(self, path: Path, when: str = WHEN) -> Path:
        (self.trash / "info").mkdir(parents=True, exist_ok=True)
        (self.trash / "files").mkdir(exist_ok=True)
        name, number = path.name, 2
        while (self.trash / "info" / f"{name}.trashinfo").exists():
            name, number = f"{path.stem}.{number}{path.suffix}", number + 1
        noted = path.relative_to(self.top) if self.top else path
        text = f"[Trash Info]\nPath={quote_from_bytes(os.fsencode(noted))}\nDeletionDate={when}\n"
        (self.trash / "info" / f"{name}.trashinfo").write_text(text)
        return Path(shutil.move(path, self.trash / "files" / name))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    make_files(root, "a.jpg", "2019/b.jpg", "2019/rome/c.jpg", "käthe 100%.jpg")
    return root


@pytest.fixture
def home_trash() -> Desktop:
    return Desktop(Path(os.environ["XDG_DATA_HOME"]) / "Trash")


def seen(path: Path) -> Signature:
    return signature_of(path.stat())


class TestTheHomeTrash:
    def test_what_was_thrown_away_is_found(self, library: Path, home_trash: Desktop) -> None:
        known = {path: seen(path) for path in (library / "a.jpg", library / "2019" / "b.jpg")}
        file = home_trash.throw_away(library / "a.jpg")
        (library / "2019" / "b.jpg").unlink()
        assert DesktopTrash([library]).find_trashed(known) == {
            library / "a.jpg": TrashedFile(library / "a.jpg", AT, file)
        }

    def test_names_with_percent_signs_umlauts_and_no_utf8(self, library: Path, home_trash: Desktop) -> None:
        odd = Path(os.fsdecode(os.fsencode(library) + b"/\xff =[\n.jpg"))
        odd.touch()
        for path in (library / "käthe 100%.jpg", odd):
            known = {path: seen(path)}
            file = home_trash.throw_away(path)
            assert DesktopTrash([library]).find_trashed(known)[path].file == file

    def test_a_folder_takes_its_pictures_with_it(self, library: Path, home_trash: Desktop) -> None:
        known = {path: seen(path) for path in library.rglob("*.jpg")}
        home_trash.throw_away(library / "2019")
        found = DesktopTrash([library]).find_trashed(known)
        assert sorted(found) == [library / "2019" / "b.jpg", library / "2019" / "rome" / "c.jpg"]
        for path, trashed in found.items():
            assert (trashed.original, trashed.trashed_at) == (path, AT)
            assert trashed.file.read_bytes() == os.fsencode(path.relative_to(library))

    def test_an_older_photo_of_the_same_name_is_not_this_one(self, library: Path, home_trash: Desktop) -> None:
        home_trash.throw_away(library / "a.jpg")
        (library / "a.jpg").write_bytes(b"last year's was smaller")
        known = {library / "a.jpg": seen(library / "a.jpg")}
        (library / "a.jpg").unlink()
        assert DesktopTrash([library]).find_trashed(known) == {}

    def test_of_several_the_last_one_counts(self, library: Path, home_trash: Desktop) -> None:
        files = []
        for when in ("2024-01-01T00:00:00", "2024-03-01T00:00:00", "2024-02-01T00:00:00"):
            make_files(library, "a.jpg")
            known = {library / "a.jpg": seen(library / "a.jpg")}
            files.append(home_trash.throw_away(library / "a.jpg", when))
        assert DesktopTrash([library]).find_trashed(known)[library / "a.jpg"].file == files[1]

    def test_a_library_behind_a_link(self, library: Path, home_trash: Desktop, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(library)
        path = tmp_path / "link" / "a.jpg"
        known = {path: seen(path)}
        home_trash.throw_away(library / "a.jpg")
        assert list(DesktopTrash([tmp_path / "link"]).find_trashed(known)) == [path]

    @pytest.mark.parametrize("data_home", ["", "relative/path"])
    def test_without_a_proper_xdg_data_home(
        self, library: Path, home: Path, monkeypatch: pytest.MonkeyPatch, data_home: str
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", data_home)
        known = {library / "a.jpg": seen(library / "a.jpg")}
        Desktop(home / ".local" / "share" / "Trash").throw_away(library / "a.jpg")
        assert list(DesktopTrash([library]).find_trashed(known)) == [library / "a.jpg"]

    def test_no_trash_at_all(self, library: Path) -> None:
        trash = DesktopTrash([library])
        assert trash.list_trashed() == []
        assert trash.find_trashed({library / "a.jpg": Signature(1, 2, 3, 4)}) == {}
        assert trash.find_trashed({}) == {}


class TestByInode:
    """What has no note that fits; `since` is when keeprate last looked at the library."""

    def throw_away(self, trash: Desktop, path: Path, seconds_ago: float = 0) -> Path:
        """Dated after the move, not before: so that a slow machine makes no difference."""
        file = trash.throw_away(path, when="")
        when = datetime.fromtimestamp(int(time.time() - seconds_ago))
        with (trash.trash / "info" / f"{file.name}.trashinfo").open("r+") as note:
            text = note.read().replace("DeletionDate=", f"DeletionDate={when.isoformat()}")
            note.seek(0)
            note.write(text)
        return file

    def test_one_that_was_renamed_just_before(self, library: Path, home_trash: Desktop) -> None:
        known = {path: seen(path) for path in library.rglob("*.jpg")}
        since = time.time()
        renamed = (library / "a.jpg").rename(library / "nobody has seen this name.jpg")
        file = self.throw_away(home_trash, renamed)
        (library / "2019" / "rome").rename(library / "2019" / "roma")
        self.throw_away(home_trash, library / "2019")
        found = DesktopTrash([library]).find_trashed(known, since=since)
        assert {path: trashed.file for path, trashed in found.items()} == {
            library / "a.jpg": file,
            library / "2019" / "b.jpg": home_trash.trash / "files" / "2019" / "b.jpg",
            library / "2019" / "rome" / "c.jpg": home_trash.trash / "files" / "2019" / "roma" / "c.jpg",
        }
        by_note = DesktopTrash([library]).find_trashed(known, since=None)
        assert list(by_note) == [library / "2019" / "b.jpg"], "where inode numbers prove nothing"

    def test_behind_a_link(self, library: Path, home_trash: Desktop, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(library)
        known = {path: seen(path) for path in (tmp_path / "link" / name for name in ("a.jpg", "2019/b.jpg"))}
        self.throw_away(home_trash, (library / "a.jpg").rename(library / "new.jpg"))
        self.throw_away(home_trash, (library / "2019" / "b.jpg").rename(tmp_path / "link" / "other.jpg"))
        assert DesktopTrash([tmp_path / "link"]).find_trashed(known, since=0).keys() == known.keys()

    def test_what_lay_there_at_the_last_look(self, library: Path, home_trash: Desktop) -> None:
        known = {library / "a.jpg": seen(library / "a.jpg")}
        self.throw_away(home_trash, (library / "a.jpg").rename(library / "new.jpg"))
        assert DesktopTrash([library]).find_trashed(known, since=time.time() + 100) == {}

    def test_a_second_name_is_there_still(self, library: Path, home_trash: Desktop) -> None:
        known = {library / "a.jpg": seen(library / "a.jpg")}
        (library.parent / "elsewhere.jpg").hardlink_to(library / "a.jpg")
        self.throw_away(home_trash, (library / "a.jpg").rename(library / "new.jpg"))
        assert DesktopTrash([library]).find_trashed(known, since=0) == {}

    def test_a_second_name_was_thrown_away_and_this_one_went_elsewhere(
        self, library: Path, home_trash: Desktop
    ) -> None:
        """Its change time tells: something happened to the file after it was put there."""
        (library / "second.jpg").hardlink_to(library / "a.jpg")
        known = {library / "a.jpg": seen(library / "a.jpg")}
        self.throw_away(home_trash, library / "second.jpg", seconds_ago=60)
        (library / "a.jpg").unlink()
        assert DesktopTrash([library]).find_trashed(known, since=0) == {}

    def test_a_date_from_another_time_zone(self, library: Path, home_trash: Desktop) -> None:
        """Nothing was put there after its note was written."""
        (library / "second.jpg").hardlink_to(library / "a.jpg")
        known = {library / "a.jpg": seen(library / "a.jpg")}
        file = self.throw_away(home_trash, library / "second.jpg", seconds_ago=-5 * 3600)
        os.utime(home_trash.trash / "info" / f"{file.name}.trashinfo", (time.time() - 60,) * 2)
        (library / "a.jpg").unlink()
        assert DesktopTrash([library]).find_trashed(known, since=0) == {}

    def test_two_known_names_went_and_one_of_them_into_the_trash(self, library: Path, home_trash: Desktop) -> None:
        (library / "second.jpg").hardlink_to(library / "a.jpg")
        known = {library / name: seen(library / name) for name in ("a.jpg", "second.jpg")}
        (library / "a.jpg").unlink()
        self.throw_away(home_trash, (library / "second.jpg").rename(library / "new.jpg"))
        assert DesktopTrash([library]).find_trashed(known, since=0) == {}

    def test_a_second_name_outside_the_library(self, library: Path, home_trash: Desktop, tmp_path: Path) -> None:
        known = {library / "a.jpg": seen(library / "a.jpg")}
        (tmp_path / "outside.jpg").hardlink_to(library / "a.jpg")
        (library / "a.jpg").unlink()
        self.throw_away(home_trash, tmp_path / "outside.jpg")
        assert DesktopTrash([library]).find_trashed(known, since=0) == {}

    def test_a_file_of_another_disk_that_has_the_same_number(self, library: Path, home_trash: Desktop) -> None:
        """/proc stands for another disk: it is one on every Linux."""
        other = seen(library / "a.jpg")
        file = self.throw_away(home_trash, library / "a.jpg")
        note = home_trash.trash / "info" / f"{file.name}.trashinfo"
        note.write_text(note.read_text().replace(f"Path={library}/a.jpg", "Path=/proc/new.jpg"))
        assert DesktopTrash([Path("/proc")]).find_trashed({Path("/proc/a.jpg"): other}, since=0) == {}
        assert DesktopTrash([Path("/")]).list_trashed()[0].original == Path("/proc/new.jpg")


class TestListing:
    def test_new_and_emptied_trash_is_noticed_at_once(self, library: Path, home_trash: Desktop) -> None:
        trash = DesktopTrash([library])
        assert trash.list_trashed() == []
        for name in ("a.jpg", "2019/b.jpg"):
            home_trash.throw_away(library / name)
            assert library / name in [trashed.original for trashed in trash.list_trashed()]
        shutil.rmtree(home_trash.trash)
        assert trash.list_trashed() == []

    def test_a_note_counts_when_the_file_has_arrived(self, library: Path, home_trash: Desktop) -> None:
        file = home_trash.throw_away(library / "a.jpg")
        file.rename(library / "on its way")
        trash = DesktopTrash([library])
        settle(home_trash.trash)
        assert trash.list_trashed() == []
        (library / "on its way").rename(file)
        assert [trashed.file for trashed in trash.list_trashed()] == [file]

    def test_unchanged_trash_is_not_read_again(self, library: Path, home_trash: Desktop) -> None:
        """Shown by changing a note behind the back of its folder, which real programs do not do."""
        home_trash.throw_away(library / "a.jpg")
        settle(home_trash.trash)
        trash = DesktopTrash([library])
        before = trash.list_trashed()
        note = home_trash.trash / "info" / "a.jpg.trashinfo"
        note.write_text("nonsense")
        assert trash.list_trashed() == before
        settle(home_trash.trash, seconds=50)
        assert trash.list_trashed() == []


def settle(trash: Path, seconds: float = 100) -> None:
    """Set the folders' times back, as if nothing had happened for a while."""
    for folder in ("info", "files"):
        os.utime(trash / folder, (time.time() - seconds,) * 2)


class TestTrashOfOtherDisks:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Path:
        make_files(tmp_path, "disk/photos/a.jpg")
        return tmp_path / "disk"

    def find(self, disk: Path, trash: Path) -> list[Path]:
        path = disk / "photos" / "a.jpg"
        known = {path: seen(path)}
        Desktop(trash, top=disk).throw_away(path)
        mounts = lambda: [Mount("/", "ext4"), Mount(str(disk), "ext4")]  # noqa: E731
        return list(DesktopTrash([disk / "photos"], mounts=mounts).find_trashed(known))

    def test_the_trash_of_this_user(self, disk: Path) -> None:
        assert self.find(disk, disk / f".Trash-{os.getuid()}") == [disk / "photos" / "a.jpg"]

    def test_the_trash_of_another_user(self, disk: Path) -> None:
        assert self.find(disk, disk / f".Trash-{os.getuid() + 1}") == []

    @pytest.mark.parametrize(("mode", "counts"), [(0o1777, True), (0o777, False)], ids=["sticky", "not sticky"])
    def test_the_shared_trash(self, disk: Path, mode: int, counts: bool) -> None:
        (disk / ".Trash").mkdir()
        (disk / ".Trash").chmod(mode)
        assert bool(self.find(disk, disk / ".Trash" / str(os.getuid()))) is counts

    @pytest.mark.parametrize("name", [".Trash", ".Trash-{user}"])
    def test_links_do_not_count(self, disk: Path, tmp_path: Path, name: str) -> None:
        real = tmp_path / "planted"
        real.mkdir(mode=0o1777)
        real.chmod(0o1777)
        (disk / name.format(user=os.getuid())).symlink_to(real)
        assert self.find(disk, real / str(os.getuid()) if name == ".Trash" else real) == []

    def test_a_folder_that_somebody_else_made_for_us(self, disk: Path) -> None:
        if os.getuid() != 0:
            pytest.skip("needs root, to make a folder of another user's")
        trash = disk / f".Trash-{os.getuid()}"
        trash.mkdir()
        os.chown(trash, 65534, 65534)
        assert self.find(disk, trash) == []

    def test_a_disk_within_the_library(self, disk: Path, tmp_path: Path) -> None:
        path = disk / "photos" / "a.jpg"
        known = {path: seen(path)}
        Desktop(disk / f".Trash-{os.getuid()}", top=disk).throw_away(path)
        mounts = lambda: [Mount("/", "ext4"), Mount(str(disk), "ext4")]  # noqa: E731
        assert list(DesktopTrash([tmp_path], mounts=mounts).find_trashed(known)) == [path]


class TestMacOS:
    def find(
        self, library: Path, known: dict[Path, Signature], *mounts: Mount, since: float | None = 0
    ) -> dict[Path, TrashedFile]:
        trash = DesktopTrash([library], platform="darwin", mounts=lambda: list(mounts))
        return trash.find_trashed(known, since=since)

    def test_a_file_is_known_by_its_inode(self, library: Path, home: Path) -> None:
        (home / ".Trash" / "2019 1").mkdir(parents=True)
        known = {path: seen(path) for path in (library / "a.jpg", library / "2019" / "b.jpg")}
        (library / "a.jpg").rename(home / ".Trash" / "a 12.34.56.jpg")
        (library / "2019" / "b.jpg").rename(home / ".Trash" / "2019 1" / "b.jpg")
        found = self.find(library, known)
        assert {path: trashed.file for path, trashed in found.items()} == {
            library / "a.jpg": home / ".Trash" / "a 12.34.56.jpg",
            library / "2019" / "b.jpg": home / ".Trash" / "2019 1" / "b.jpg",
        }
        assert self.find(library, known, since=time.time() + 100) == {}, "all of it lay there at the last look"
        assert self.find(library, known, since=None) == {}, "inode numbers prove nothing"

    def test_a_second_name_was_thrown_away_long_ago(self, library: Path, home: Path) -> None:
        (home / ".Trash").mkdir()
        (home / ".Trash" / "second.jpg").hardlink_to(library / "a.jpg")
        os.utime(home / ".Trash", (time.time() - 60,) * 2)
        known = {library / "a.jpg": seen(library / "a.jpg")}
        (library / "a.jpg").unlink()
        assert self.find(library, known) == {}

    def test_other_files_of_the_same_name_do_not_count(self, library: Path, home: Path) -> None:
        make_files(home, ".Trash/a.jpg")
        known = {library / "a.jpg": seen(library / "a.jpg")}
        (library / "a.jpg").unlink()
        assert self.find(library, known) == {}

    def test_another_disk(self, library: Path) -> None:
        trash = library / ".Trashes" / str(os.getuid())
        trash.mkdir(parents=True)
        known = {library / "a.jpg": seen(library / "a.jpg")}
        (library / "a.jpg").rename(trash / "a.jpg")
        assert list(self.find(library, known, Mount("/", "apfs"), Mount(str(library), "apfs"))) == [library / "a.jpg"]

    def test_nothing_is_listed(self, library: Path, home: Path) -> None:
        make_files(home, ".Trash/a.jpg")
        assert DesktopTrash([library], platform="darwin").list_trashed() == []


TOP = Path("/media/disk")
LOCAL = AT


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (b"[Trash Info]\nPath=/p/a.jpg\nDeletionDate=2024-05-06T07:08:09\n", (Path("/p/a.jpg"), LOCAL)),
        (b"[Trash Info]\r\nPath=a.jpg\r\nDeletionDate=2024-05-06T07:08:09\r\n", (TOP / "a.jpg", LOCAL)),
        (b"[Trash Info]\nDeletionDate=2024-05-06T07:08:09\nX=1\nPath=p/a%20b.jpg", (TOP / "p/a b.jpg", LOCAL)),
        (b"[Trash Info]\nPath=first\nPath=second\n", (TOP / "first", None)),
        (b"[Trash Info]\nPath=a.jpg\nDeletionDate=yesterday\n", (TOP / "a.jpg", None)),
        (b"[Trash Info]\nPath=a.jpg\nDeletionDate=9999-99-99T00:00:00\n", (TOP / "a.jpg", None)),
        (b"[Trash Info]\nPath=a.jpg\nDeletionDate=\xff\n", (TOP / "a.jpg", None)),
        (b"[Trash Info]\nPath=%FF%zz.jpg\n", (TOP / os.fsdecode(b"\xff%zz.jpg"), None)),
        (b"[Trash Info]\nPath=a..b.jpg\n", (TOP / "a..b.jpg", None)),
        (b"[Trash Info]\n[Other]\nPath=a.jpg\n", None),
        (b"[Trash Info]\nPath=\n", None),
        (b"[Trash Info]\n", None),
        (b"[Trash Info]\nPath=../../etc/a.jpg\n", None),
        (b"[Trash Info]\nPath=/p/%2e%2e/a.jpg\n", None),
        (b"[Trash Info]\nPath=a%00.jpg\n", None),
        (b"Path=a.jpg\n[Trash Info]\n", None),
        (b"", None),
        (b"\x00\xff\xfe", None),
    ],
)
def test_notes(note: bytes, says: tuple[Path, datetime | None] | None) -> None:
    assert parse_note(note, TOP) == says


def make_directory(note: Path) -> None:
    note.mkdir()


def make_pipe(note: Path) -> None:
    os.mkfifo(note)


def make_endless(note: Path) -> None:
    note.write_bytes(b"[Trash Info]\nPath=a.jpg\n" + b"x" * 100_000)


def make_link(note: Path) -> None:
    note.with_suffix(".real").write_bytes(b"[Trash Info]\nPath=/p/planted.jpg\n")
    note.symlink_to(note.with_suffix(".real"))


@pytest.mark.parametrize("make", [make_directory, make_pipe, make_endless, make_link])
def test_notes_that_are_no_notes_are_passed_over(
    library: Path, home_trash: Desktop, make: Callable[[Path], None]
) -> None:
    home_trash.throw_away(library / "a.jpg")
    (home_trash.trash / "files" / "odd").touch()
    make(home_trash.trash / "info" / "odd.trashinfo")
    assert [trashed.original for trashed in DesktopTrash([library]).list_trashed()] == [library / "a.jpg"]


def test_a_note_without_a_date_has_the_date_of_the_note(library: Path, home_trash: Desktop) -> None:
    home_trash.throw_away(library / "a.jpg", when="")
    os.utime(home_trash.trash / "info" / "a.jpg.trashinfo", (1_700_000_000, 1_700_000_000))
    (trashed,) = DesktopTrash([library]).list_trashed()
    assert trashed.trashed_at.timestamp() == 1_700_000_000
