from __future__ import annotations

import os
from pathlib import Path

import pytest

from keeprate.watching.mounts import Mount, mount_of, parse_mountinfo, read_mounts
from support.system import mounted_tmpfs

TABLE = [
    Mount("/", "ext4"),
    Mount("/mnt/nas", "nfs4"),
    Mount("/mnt/nas/deep", "ext4"),
    Mount("/mnt/stick", "ext4"),
    Mount("/mnt/stick", "vfat"),
]


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/home/me", "ext4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/2019/gone", "nfs4"),
        ("/mnt/nas2", "ext4"),
        ("/mnt/nas/deep/x", "ext4"),
        ("/mnt/stick/DCIM", "vfat"),
        ("/", "ext4"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, file_system: str) -> None:
    mount = mount_of(Path(path), lambda: TABLE)
    assert mount is not None
    assert mount.file_system == file_system


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to("/mnt/nas/photos")
    mount = mount_of(tmp_path / "photos", lambda: TABLE)
    assert mount is not None
    assert mount.file_system == "nfs4"


def test_a_system_that_does_not_tell() -> None:
    assert mount_of(Path("/home/me"), list) is None


@pytest.mark.parametrize(
    ("file_system", "reports_changes", "keeps_inodes"),
    [
        ("ext4", True, True),
        ("btrfs", True, True),
        ("apfs", True, True),
        ("tmpfs", True, True),
        ("vfat", True, False),
        ("exfat", True, False),
        ("fuseblk", True, False),
        ("nfs4", False, True),
        ("cifs", False, False),
        ("smbfs", False, False),
        ("fuse.sshfs", False, False),
        ("fuse.rclone", False, False),
        ("9p", False, False),
    ],
)
def test_what_to_expect_of_file_systems(file_system: str, reports_changes: bool, keeps_inodes: bool) -> None:
    mount = Mount("/mnt", file_system)
    assert (mount.reports_changes, mount.keeps_inodes) == (reports_changes, keeps_inodes)


def test_mountinfo_with_optional_fields_odd_names_and_broken_lines() -> None:
    text = (
        b"22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
        b"36 22 0:31 / /mnt/my\\040photos\\134x rw - cifs //nas/photos rw\n"
        b"37 22 0:32 / /mnt/caf\xe9 rw - fuse.sshfs me@there: rw\n"
        b"nonsense\n"
        b"38 22 0:33 - \n"
        b"\n"
    )
    assert parse_mountinfo(text) == [
        Mount("/", "ext4"),
        Mount("/mnt/my photos\\x", "cifs"),
        Mount(os.fsdecode(b"/mnt/caf\xe9"), "fuse.sshfs"),
    ]


def test_this_machine_has_a_root() -> None:
    assert any(mount.point == "/" for mount in read_mounts())


def test_a_real_mount(tmp_path: Path) -> None:
    point = tmp_path / "my photos"
    point.mkdir()
    with mounted_tmpfs(point):
        assert mount_of(point / "2019") == Mount(str(point), "tmpfs")
    assert mount_of(point) != Mount(str(point), "tmpfs")
