"""Write files so that after a full disk, a power cut or `kill -9` the old or the new content stands, whole.

Every file of the user's that keeprate changes goes through here: a temporary file in the same folder, synced
and read back, then renamed over the original. A file that somebody else changed meanwhile is left to them.
Standard library only, because the core and its plugins both stand on it; it knows nothing of photos, and it
never writes into an existing file, never replaces a symbolic link and never deletes a file whose content it
was not shown.

What a rename cannot carry over: the inode (other hard links keep the old content: look at
`FileState.link_count` first) and the birth time. On Linux the old file is swapped out and looked at once more, so
that an edit by another program in the last microseconds is put back in place. Elsewhere it would be lost; callers
avoid that by leaving files alone that changed a moment ago.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from keeprate.renaming import exchange, rename_new

TEMPORARY_PREFIX = ".keeprate-"
"""How the name of every temporary file of ours begins; watchers and walkers leave such names alone."""

_TEMPORARY_NAME = re.compile(r"\.keeprate-[0-9a-f]{16}\.tmp")
_CHUNK_BYTES = 8 << 20


class FileChangedError(Exception):
    """Somebody else changed, replaced or removed the file since it was looked at; it was left to them."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What `stat` says of a regular file. Two equal states mean: nobody has touched it in between.

    The change time (`ctime_ns`) cannot be set by programs, so it gives away an edit that put size and
    modification time back.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    link_count: int
    owner: int
    group: int

    @property
    def permissions(self) -> int:
        """The permission bits, set-id and sticky bits included."""
        return stat.S_IMODE(self.mode)


def file_state(path: Path) -> FileState | None:
    """The state of the regular file at `path`, symbolic links followed; None where no file is.

    Raises:
        OSError: something stands there that is no regular file, or it cannot be reached.
    """
    try:
        return _state_of(path.stat(), path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_file(path: Path, *, maximum_bytes: int | None = None) -> tuple[bytes, FileState]:
    """The content of a regular file together with the state that it was read in, symbolic links followed.

    Raises:
        FileChangedError: it changed while it was read.
        OSError: it is missing, no regular file, unreadable, or larger than `maximum_bytes` (errno EFBIG).
    """
    # O_NONBLOCK: a named pipe put in place of a photo must not hang us before fstat says what it is.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        before = _state_of(os.fstat(descriptor), path)
        if maximum_bytes is not None and before.size > maximum_bytes:
            raise OSError(errno.EFBIG, f"larger than {maximum_bytes} bytes", str(path))
        data = _read_all(descriptor, before.size + 1)
        after = _state_of(os.fstat(descriptor), path)
    finally:
        os.close(descriptor)
    if before != after or len(data) != before.size:
        raise FileChangedError(f"{path} changed while it was read")
    return data, after


def replace_file(
    path: Path,
    data: bytes,
    *,
    seen: FileState | None = None,
    mtime_ns: int | None = None,
    watched: bool = False,
) -> FileState:
    """Give the file at `path` the content `data`, atomically; returns its new state.

    An existing file keeps its owner, permissions, access list and extended attributes; a new one gets what
    the umask leaves. A symbolic link stays one: its target is replaced. With `seen`, the state in which the
    caller read the file, a file that is no longer in that state is left alone. `mtime_ns` sets the
    modification time, in nanoseconds since 1970. `watched`: programs may follow this file, so that the
    old one must never bear another name, at the price of microseconds without a last look (decision 0075).

    Raises:
        FileChangedError: the file is not (or no longer) in the state `seen`, or changed while we wrote.
        OSError: the write failed (no space, no permission, no regular file …).
        Either way the original is untouched and nothing is left behind.
    """
    target = _link_target(path)
    state = file_state(target)
    if seen is not None and state != seen:
        raise FileChangedError(f"{path} changed since it was read")
    with _temporary(target.parent, 0o666 if state is None else 0o600) as (descriptor, temporary):
        _write_all(descriptor, data)
        if state is not None:
            _copy_attributes(target, state, descriptor)
        if mtime_ns is not None:
            os.utime(descriptor, ns=(os.fstat(descriptor).st_atime_ns, mtime_ns))
        _flush_and_verify(descriptor, data)
        if state is None:
            _install_new(temporary, target)
        else:
            (_install_over if watched else _install_instead)(temporary, target, state)
        written = _state_of(os.fstat(descriptor), target)
    _sync_folder(target.parent)
    return written


def create_file(path: Path, data: bytes) -> FileState:
    """Write a new file, atomically; never overwrites anything, not even a dangling symbolic link.

    Raises:
        FileExistsError: something stands at `path`; it was left alone.
        OSError: the write failed; nothing is left behind.
    """
    with _temporary(path.parent, 0o666) as (descriptor, temporary):
        _write_all(descriptor, data)
        _flush_and_verify(descriptor, data)
        _install_new(temporary, path)
        created = _state_of(os.fstat(descriptor), path)
    _sync_folder(path.parent)
    return created


def copy_file(source: Path, target: Path) -> str:
    """Copy a file to a new place, atomically, with its times, permissions and extended attributes.

    Never overwrites anything. What the file system at `target` cannot hold of the attributes is left out. Returns the
    SHA-256 of what was copied, in hex.

    Raises:
        FileExistsError: something stands at `target`; it was left alone.
        FileChangedError: the source changed while it was read.
        OSError: the source cannot be read or is no regular file, or the write failed; nothing is left behind.
    """
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        before = _state_of(os.fstat(reading), source)
        with _temporary(target.parent, 0o600) as (descriptor, temporary):
            digest = hashlib.sha256()
            while chunk := os.read(reading, _CHUNK_BYTES):
                digest.update(chunk)
                _write_all(descriptor, chunk)
            with contextlib.suppress(PermissionError):  # on FAT, only the permissions: they come last
                shutil.copystat(source, temporary)
            if _state_of(os.fstat(reading), source) != before or os.fstat(descriptor).st_size != before.size:
                raise FileChangedError(f"{source} changed while it was copied")
            os.fsync(descriptor)
            _install_new(temporary, target)
    finally:
        os.close(reading)
    return digest.hexdigest()


@contextmanager
def build_file(path: Path) -> Iterator[Path]:
    """Have the block write a file of keeprate's own that only other libraries can write, such as a database.

    The block gets the path of an empty temporary file (mode 0600). When it ends well, that is synced and takes the
    place of whatever was at `path`; otherwise nothing is left of it.

    Raises:
        OSError: the write failed; what was at `path` is untouched and nothing is left behind.
    """
    with _temporary(path.parent, 0o600) as (descriptor, temporary):
        yield temporary
        os.fsync(descriptor)
        temporary.replace(path)
    _sync_folder(path.parent)


def digest_file(path: Path) -> str:
    """The SHA-256 of a regular file in hex, symbolic links followed; read in pieces.

    Raises:
        OSError: it is missing, no regular file, or unreadable.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        _state_of(os.fstat(descriptor), path)
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_copy(path: Path, *, sha256: str) -> bool:
    """Delete the file at `path` if it is still the regular file with this SHA-256; returns whether it was.

    Raises:
        OSError: it cannot be read or removed.
    """
    if path.is_symlink() or (before := file_state(path)) is None:
        return False
    if digest_file(path) != sha256 or file_state(path) != before:
        return False
    path.unlink()
    return True


def remove_file(path: Path, *, expected: bytes) -> None:
    """Delete the file at `path` if its content is exactly `expected`.

    Raises:
        FileNotFoundError: there is none.
        FileChangedError: its content is another one, or it is a symbolic link; it was left alone.
        OSError: it cannot be read or removed.
    """
    if path.is_symlink():
        raise FileChangedError(f"{path} is a symbolic link now")
    data, state = read_file(path)
    if data != expected or file_state(path) != state:
        raise FileChangedError(f"{path} holds something else now")
    path.unlink()
    _sync_folder(path.parent)


def sweep_temporaries(folder: Path, *, minimum_age_s: float = 60.0) -> int:
    """Remove what killed writers left in `folder` (not below it); returns how many files.

    Only regular files that bear our exact temporary names, have been untouched for `minimum_age_s` seconds
    and are not locked by a writer that is still alive. A folder that cannot be read counts as clean.
    """
    removed = 0
    try:
        left_behind = [path for path in folder.iterdir() if _TEMPORARY_NAME.fullmatch(path.name)]
    except OSError:
        return 0
    for path in left_behind:
        with contextlib.suppress(OSError):  # locked, or gone by itself
            removed += _sweep_one(path, minimum_age_s)
    return removed


def _sweep_one(temporary: Path, minimum_age_s: float) -> int:
    descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        information = os.fstat(descriptor)
        # The change time: a writer may already have given its temporary file an old modification time.
        if not stat.S_ISREG(information.st_mode) or time.time() - information.st_ctime < minimum_age_s:
            return 0
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.unlink()
        return 1
    finally:
        os.close(descriptor)


def _state_of(information: os.stat_result, path: Path) -> FileState:
    if stat.S_ISDIR(information.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(information.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return FileState(
        device=information.st_dev,
        inode=information.st_ino,
        size=information.st_size,
        mtime_ns=information.st_mtime_ns,
        ctime_ns=information.st_ctime_ns,
        mode=information.st_mode,
        link_count=information.st_nlink,
        owner=information.st_uid,
        group=information.st_gid,
    )


def _link_target(path: Path) -> Path:
    """`path` with all symbolic links resolved, so that the rename replaces the target and never the link."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # a loop: realpath gives up quietly
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


@contextmanager
def _temporary(folder: Path, permissions: int) -> Iterator[tuple[int, Path]]:
    """A locked, empty file of ours in `folder` with its descriptor; gone afterwards unless it was renamed."""
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp"
    descriptor = -1
    try:  # from before it exists: Ctrl-C may come between its birth and the next line
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, permissions)
        with contextlib.suppress(OSError):  # no locks on this file system: the age alone protects it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor, path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        if descriptor >= 0:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining[:_CHUNK_BYTES]) :]


def _read_all(descriptor: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    while limit > 0 and (chunk := os.read(descriptor, min(limit, _CHUNK_BYTES))):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)


def _copy_attributes(source: Path, state: FileState, descriptor: int) -> None:
    # A new owner clears the set-id bits and an access list moves the group bits: permissions come last.
    ours = os.fstat(descriptor)
    if (ours.st_uid, ours.st_gid) != (state.owner, state.group):
        os.fchown(descriptor, state.owner, state.group)
    _copy_extended_attributes(source, descriptor)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != state.permissions:
        os.fchmod(descriptor, state.permissions)


def _copy_extended_attributes(source: Path, descriptor: int) -> None:
    if not hasattr(os, "listxattr"):  # macOS: Python offers no access to them
        return
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return
        raise
    for name in names:
        try:
            os.setxattr(descriptor, name, os.getxattr(source, name))
        except OSError as error:
            # The system's own (SELinux, capabilities) may be out of our reach; it sets them itself.
            if name.startswith(("user.", "system.posix_acl_")) or error.errno not in (
                errno.EPERM,
                errno.EACCES,
                errno.ENOTSUP,
                errno.ENODATA,
            ):
                raise


def _flush_and_verify(descriptor: int, data: bytes) -> None:
    os.fsync(descriptor)
    os.lseek(descriptor, 0, os.SEEK_SET)
    if _read_all(descriptor, len(data) + 1) != data:
        raise OSError(errno.EIO, "what was written does not read back")


def _install_instead(temporary: Path, target: Path, state: FileState) -> None:
    """Give the finished temporary file the name of the one that is still in `state`.

    Raises FileChangedError if it is no longer, and then what others made of it keeps the name.
    """
    changed = FileChangedError(f"{target} changed while it was being written")
    if file_state(target) != state:
        raise changed
    ours = file_state(temporary)
    try:
        swapped = exchange(temporary, target)
    except FileNotFoundError:
        raise changed from None
    if not swapped:
        temporary.replace(target)
        return
    if not _same_but_for_its_name(file_state(temporary), state):
        exchange(temporary, target)
        if not _same_but_for_its_name(file_state(temporary), ours):  # yet another edit came in between: the latest
            exchange(temporary, target)
        raise changed


def _install_over(temporary: Path, target: Path, state: FileState) -> None:
    """The same by a plain rename, right after the last look; an edit in the microseconds between is lost.

    Raises FileChangedError if the file is no longer in `state`.
    """
    if file_state(target) != state:
        raise FileChangedError(f"{target} changed while it was being written")
    temporary.replace(target)


def _same_but_for_its_name(now: FileState | None, before: FileState | None) -> bool:
    """Whether a file is as it was before it was renamed, which moves its change time."""
    return now is not None and before is not None and replace(now, ctime_ns=before.ctime_ns) == before


def _install_new(temporary: Path, target: Path) -> None:
    """Give the finished temporary file its name, unless something bears that name already."""
    try:
        os.link(temporary, target, follow_symlinks=False)
        temporary.unlink()
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links here (FAT and its kin).
        if rename_new(temporary, target):
            return
        # Claim the name with an empty file, then replace only that.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            temporary.replace(target)
        except OSError:
            target.unlink()
            raise


def _sync_folder(folder: Path) -> None:
    """Make the rename last. Its failure harms nothing: after a power cut the old or the new file stands."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
