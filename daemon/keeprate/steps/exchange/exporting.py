"""Checkpoints on disk: written after a training, copied by `export`, removed by `clean` (H21, H29, H30).

`out/` is also headmaster's, and a folder that one exports to is anybody's. What keeprate wrote is known by its place
and its content; nothing else is ever overwritten or removed. A checkpoint of headmaster's that stands where ours
has to go is kept beside it, as `<head>.pt.headmaster`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from keeprate.catalog import files, heads, journal, labels
from keeprate.catalog.retiring import retire
from keeprate.errors import KeeprateError, UsageError
from keeprate.learning.exchange import CheckpointError, write_checkpoint
from keeprate.learning.heads import Head
from keeprate.paths import Home, expanded, make_own_folder
from keeprate.safe_files import create_file, replace_file
from keeprate.steps.session import Session

KEPT_SUFFIX = ".headmaster"


@dataclass(frozen=True, slots=True)
class ExchangeFile:
    """What became of a head's checkpoint."""

    path: str | None
    """None: none was written."""
    note: str
    """One sentence: which head is in it, or why there is none."""


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    """Names of checkpoints, sorted."""

    destination: str
    copied: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    """Lay there already, the same to the byte."""
    refused: tuple[str, ...] = ()
    """Another file of this name lies there."""


@dataclass(frozen=True, slots=True)
class CleanOutcome:
    """What was removed, or would be."""

    heads: tuple[str, ...] = ()
    """Taken out of use."""
    removed: tuple[str, ...] = ()
    """Files of ours."""
    kept: tuple[str, ...] = ()
    """Checkpoints that keeprate did not write, or that were changed since."""
    dry_run: bool = False
    marks: int = 0
    """Places with marks; those written by a head that is out of use are not kept up to date."""


def write_exchange(session: Session, head: Head, model_name: str, stand_in: Head | None = None) -> ExchangeFile:
    """Write `out/<head>.pt` for a head that has just been taken into use. Needs torch; never fails because of it.

    Args:
        head: the head in use; where the format has no room for it, `stand_in` is written in its place.
        model_name: what its vision model is called in the registry.
        stand_in: a head for the same buckets and vectors that takes vectors only.
    """
    folder = session.home.checkpoints_dir
    path = folder / f"{head.name}.pt"
    sources = _sources(session, head)
    said = ""
    for candidate, note in (
        (head, "it holds the head that scores, to the same probabilities"),
        (stand_in, "it holds a head of its own beside the one that scores"),
    ):
        if candidate is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _keep_foreign(session.home, path)
            data = write_checkpoint(path, candidate, sources, model_name, candidate.metrics)
        except CheckpointError as error:
            said = said or " ".join(filter(None, (error.what, error.advice)))
            continue
        except OSError as error:
            return ExchangeFile(None, f"The checkpoint {path} cannot be written: {error.strerror or error}.")
        _note(session.home, {path: data})
        return ExchangeFile(str(path), f"Checkpoint {path.name}: {note}.")
    if is_ours(session.home, path):  # of another version: nobody may take it for this one
        path.unlink(missing_ok=True)
    return ExchangeFile(None, f"No checkpoint was written. {said}")


def stand_in_file(head_file: Path) -> Path:
    """Where the head is kept that is written into the checkpoint in place of the one in `head_file`."""
    return head_file.with_suffix(".exchange" + head_file.suffix)


def export(session: Session, destination: Path) -> ExportOutcome:
    """Copy every checkpoint to `destination`, which is made if missing.

    A file there is only replaced if it is what an earlier export wrote.

    Raises:
        UsageError: there is no checkpoint, or the destination is no place for one.
        KeeprateError: the destination cannot be written.
    """
    source = session.home.checkpoints_dir
    found = sorted(path for path in source.glob("*.pt") if path.is_file())
    if not found:
        raise UsageError(
            "There is no checkpoint to export.",
            path=source,
            advice="`keeprate train` writes one for each head, where torch is installed.",
        )
    destination = Path(os.path.normpath(expanded(destination).absolute()))
    if destination.exists() and destination.samefile(source):
        raise UsageError("The checkpoints lie there already.", path=destination, advice="Choose another folder.")
    if destination.exists() and not destination.is_dir():
        raise UsageError("The destination is no folder.", path=destination, advice="Choose another one.")
    copied: list[str] = []
    unchanged: list[str] = []
    refused: list[str] = []
    try:
        destination.mkdir(parents=True, exist_ok=True)
        for path in found:
            data, target = path.read_bytes(), destination / path.name
            if target.is_file() and target.read_bytes() == data:
                unchanged.append(path.name)
            elif os.path.lexists(target) and not is_ours(session.home, target):
                refused.append(path.name)
                continue
            elif os.path.lexists(target):
                replace_file(target, data)
                copied.append(path.name)
            else:
                create_file(target, data)
                copied.append(path.name)
            _note(session.home, {target: data})
    except OSError as error:
        raise KeeprateError(
            f"The checkpoints cannot be copied: {error.strerror or error}.",
            path=destination,
            advice="Look at its permissions and at the room on that disk.",
        ) from error
    return ExportOutcome(str(destination), tuple(copied), tuple(unchanged), tuple(refused))


def clean(session: Session, head: str | None = None, *, dry_run: bool = False) -> CleanOutcome:
    """Remove the checkpoints and head files of the head called `head`, or of all, and take them out of use.

    Also of heads that were trained once and that the config or the workspace names no more. Labels, vectors and the
    history of trainings stay; the next training begins anew.

    Raises:
        UsageError: there is no such head.
    """
    home = session.home
    trained: list[str] = []
    removed: list[Path] = []
    kept: list[Path] = []
    known = dict.fromkeys([*session.heads(), *heads.names(session.catalog)])
    for name in known if head is None else [head] if head in known else session.heads(head):
        history = heads.history(session.catalog, name)
        checkpoint = home.checkpoints_dir / f"{name}.pt"
        files_kept = [home.heads_dir / version.file for version in history if version.file is not None]
        ours = [path for file in files_kept for path in (file, stand_in_file(file))]
        if os.path.lexists(checkpoint):
            (ours if is_ours(home, checkpoint) else kept).append(checkpoint)
        ours = [path for path in ours if os.path.lexists(path)]
        removed += ours
        if any(version.in_use or version.file is not None for version in history):
            trained.append(name)
        if not dry_run:
            retire(session.catalog, name)  # first: no version may be in use whose file is gone
            for path in ours:
                path.unlink(missing_ok=True)
    marks = journal.count_standing(session.catalog)
    return CleanOutcome(tuple(trained), tuple(map(str, removed)), tuple(map(str, kept)), dry_run, marks)


# ---- what is ours ----


def is_ours(home: Home, path: Path) -> bool:
    """Whether the file at `path` is still what keeprate wrote there."""
    try:
        return path.is_file() and _digest(path.read_bytes()) == _ledger(home).get(_key(home, path))
    except OSError:
        return False


def _note(home: Home, written: dict[Path, bytes]) -> None:
    """Remember what was written where."""
    ledger = _ledger(home) | {_key(home, path): _digest(data) for path, data in written.items()}
    make_own_folder(home.data_dir)
    replace_file(_ledger_file(home), json.dumps(ledger, indent=1, sort_keys=True).encode())


def _ledger(home: Home) -> dict[str, str]:
    """Place → digest of each checkpoint that keeprate wrote. A damaged one means: nothing there is ours."""
    try:
        ledger = json.loads(_ledger_file(home).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(ledger, dict):
        return {}
    return {_key(home, Path(place)): str(digest) for place, digest in ledger.items()}


def _key(home: Home, path: Path) -> str:
    """What the ledger calls `path`: as seen from the folder that `out/` lies in, for that one may be moved as a whole.

    Places elsewhere are absolute; so was every one in the ledgers of older keeprates.
    """
    base = home.checkpoints_dir.parent
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def _ledger_file(home: Home) -> Path:
    return home.data_dir / "checkpoints.json"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _keep_foreign(home: Home, path: Path) -> None:
    """Put a copy of a checkpoint that is not ours beside `path`, before ours takes its place."""
    if not path.is_file() or is_ours(home, path):
        return
    data = path.read_bytes()
    for number in range(1, 1000):
        aside = path.with_name(path.name + KEPT_SUFFIX + (f".{number}" if number > 1 else ""))
        try:
            create_file(aside, data)
        except FileExistsError:
            if aside.is_file() and aside.read_bytes() == data:
                return
            continue
        return
    raise FileExistsError(f"too many files {path.name}{KEPT_SUFFIX}.*")


def _sources(session: Session, head: Head) -> dict[str, list[str]]:
    """Bucket → where its photos lie: below `heads/` in a workspace, below the library's root elsewhere."""
    roots = {library.name: str(library.root) for library in session.config.library}
    found: dict[str, list[str]] = {bucket: [] for bucket in head.buckets}
    for key, label in labels.current(session.catalog, head.name).items():
        if label.bucket in found:
            lying = [file for file in files.of_photo(session.catalog, key) if file.library in roots]
            said = next((file for file in lying if file.path == label.path), lying[0] if lying else None)
            if said is not None:
                found[label.bucket].append(os.path.relpath(said.path, roots[said.library]))
    return {bucket: sorted(paths) for bucket, paths in found.items()}
