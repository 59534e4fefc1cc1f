"""Take over from headmaster: its registry of models, its cached vectors, its checkpoints (H33, H35, H37–H44).

Vectors are found again by the SHA-256 of the files that lie in the workspace and in the configured libraries; nothing
is embedded, no model is loaded, and no file of headmaster's is changed. Headmaster looked at photos as they are stored,
so the vectors of such as have to be turned are left behind: they are embedded anew, upright.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keeprate.catalog import embeddings, files, heads, models
from keeprate.catalog.heads import HeadVersion
from keeprate.catalog.models import Model
from keeprate.errors import KeeprateError, UsageError
from keeprate.learning.exchange import LONGEST_NAME, CheckpointError, head_from, read_checkpoint
from keeprate.learning.heads import save_head
from keeprate.paths import expanded, make_own_folder
from keeprate.pictures.content_key import content_key
from keeprate.pictures.formats import is_picture
from keeprate.pictures.orientation import lies_upright
from keeprate.steps.exchange.exporting import is_ours
from keeprate.steps.exchange.headmaster_database import HeadmasterDatabase, HeadmasterModel, open_headmaster
from keeprate.steps.exchange.workspace_steps import look_first
from keeprate.steps.marks.verifying import PROVISIONAL, SAME_COSINE, provisional_fingerprint
from keeprate.steps.session import Progress, Session

READ_TOGETHER: Final = 256
_HASHED_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """What became of a model of headmaster's registry."""

    name: str
    """What it is called here."""
    path: str
    vectors: int
    note: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class ImportedHead:
    """What became of a checkpoint."""

    checkpoint: str
    head: str
    version: int | None
    """None: it was not taken over."""
    note: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What was taken over from a workspace."""

    models: tuple[ImportedModel, ...]
    heads: tuple[ImportedHead, ...]
    photos: int
    """Files whose vectors were found in headmaster's cache, each content once."""
    turned: int
    """Of those: left behind, for headmaster has not seen them upright (or nobody can tell)."""
    unusable: int
    """Cached entries that are no vector."""
    not_found: int
    """Cached pictures that lie nowhere any more."""
    active: str
    """The model in use now."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Photo:
    """A file whose vectors headmaster has cached."""

    content_key: str
    hashed: str
    path: str


def import_workspace(session: Session, workspace: Path, *, checkpoints: bool = True) -> ImportOutcome:
    """Take over everything that `workspace` has.

    Raises:
        ImportFailedError: its database is missing, damaged, in use or of another shape.
        UsageError: there is no such folder.
    """
    started = time.monotonic()
    workspace = Path(os.path.normpath(expanded(workspace).absolute()))
    if not workspace.is_dir():
        raise UsageError("There is no such workspace.", path=workspace, advice="Name the folder that holds heads/.")
    with open_headmaster(workspace / "headmaster.db") as database:
        known = database.models()
        hashes = database.hashes()
        look_first(session)
        photos = _photos(session, workspace, hashes)
        turned = {photo.hashed for photo in photos if lies_upright(Path(photo.path)) is not True}
        upright = {photo.hashed: photo for photo in photos if photo.hashed not in turned}
        unusable = 0
        imported: list[ImportedModel] = []
        names: dict[str, str] = {}
        for theirs in known:
            model, said = _registered(session, workspace, theirs)
            names[theirs.name] = model.name
            count, bad, note = _take_vectors(session, database, theirs, model, upright)
            unusable += bad
            imported.append(ImportedModel(model.name, model.path, count, " ".join(filter(None, (said, note)))))
    in_use = next((theirs.name for theirs in known if theirs.active), None)
    if in_use is not None and models.active(session.catalog).path == models.BUILTIN:
        models.activate(session.catalog, names[in_use])
    found = sorted((workspace / "out").glob("*.pt")) if checkpoints else []
    return ImportOutcome(
        models=tuple(imported),
        heads=tuple(_tried(session, path, names) for path in found),
        photos=len(photos),
        turned=len(turned),
        unusable=unusable,
        not_found=len(hashes) - len({photo.hashed for photo in photos}),
        active=models.active(session.catalog).name,
        seconds=time.monotonic() - started,
    )


# ---- models ----


def _registered(session: Session, workspace: Path, theirs: HeadmasterModel) -> tuple[Model, str]:
    """Our row for a model of theirs, made if there is none; and what has to be said about it."""
    catalog = session.catalog
    path = _place(workspace, theirs.path)
    same_place = [one for one in models.all_models(catalog) if one.path == path]
    taken = {one.name for one in models.all_models(catalog)}
    if same_place:
        model = next((one for one in same_place if one.name == theirs.name), same_place[0])
        said = "" if model.name == theirs.name else f"Headmaster's {theirs.name} is {model.name} here."
        return model, said
    name, number = theirs.name, 1
    while name in taken:
        name = f"{theirs.name}-headmaster" + (f"-{number}" if number > 1 else "")
        number += 1
    model = models.add(catalog, name, path, embed_dim=theirs.dimension, revision=None)
    renamed = f"Registered as {name}, for {theirs.name} is another model here." if name != theirs.name else ""
    return model, renamed


def _place(workspace: Path, path: str) -> str:
    """A model's folder as an absolute path if it is one (headmaster counts from where it is started); else its id."""
    try:
        local = expanded(path)
    except UsageError:  # of a user of another computer
        return path
    for base in (Path("/"), workspace, workspace.parent):
        if (base != Path("/") or local.is_absolute()) and (base / local).is_dir():
            return os.path.normpath(base / local)
    return path


def _take_vectors(
    session: Session,
    database: HeadmasterDatabase,
    theirs: HeadmasterModel,
    model: Model,
    photos: Mapping[str, _Photo],
) -> tuple[int, int, str]:
    """Store the cached vectors of `photos` (by hash): how many, how many are unusable, and what has to be said."""
    if model.embed_dim not in (None, theirs.dimension):
        return 0, 0, f"Its vectors have {theirs.dimension} numbers there and {model.embed_dim} here: none were taken."
    found: dict[str, NDArray[np.float32]] = {}
    unusable = 0
    for hashed, vector in database.vectors(theirs, list(photos)):
        if vector is None:
            unusable += 1
        else:
            found[photos[hashed].content_key] = vector
    if model.fingerprint is None and found:
        fingerprint = provisional_fingerprint(model.path, theirs.dimension)
        model = models.assume(session.catalog, model, embed_dim=theirs.dimension, fingerprint=fingerprint)
    elif found and model.fingerprint is not None and not model.fingerprint.startswith(PROVISIONAL):
        reason = _why_not_alike(embeddings.vectors_of(session.catalog, model.id, list(found)), found)
        if reason:
            return 0, unusable, reason
    with session.catalog.db.atomic():
        files.add_photos(
            session.catalog,
            [(photos[hashed].content_key, "") for hashed in photos if photos[hashed].content_key in found],
        )
        added = embeddings.add_vectors(session.catalog, model.id, found)
    return added, unusable, ""


def _why_not_alike(ours: Mapping[str, NDArray[np.float32]], theirs: Mapping[str, NDArray[np.float32]]) -> str:
    """Why vectors of a model that was used here already must not be mixed with headmaster's; empty if they may."""
    if not ours:
        return "It was used here before and shares no photo with headmaster's cache, so nothing was taken unchecked."
    lengths = [(float(np.linalg.norm(ours[key])), float(np.linalg.norm(theirs[key]))) for key in ours]
    cosines = [float(ours[key] @ theirs[key]) / max(a * b, 1e-12) for key, (a, b) in zip(ours, lengths, strict=True)]
    ratio = float(np.median([b / max(a, 1e-12) for a, b in lengths]))
    if float(np.median(cosines)) < SAME_COSINE or abs(ratio - 1) > 0.1:
        return f"Headmaster's vectors differ from those made here (cosine {np.median(cosines):.3f}): none were taken."
    return ""


# ---- photos ----


def _photos(session: Session, workspace: Path, hashes: set[str]) -> list[_Photo]:
    """The files of the workspace and of the libraries whose SHA-256 is among `hashes`, each content once."""
    keys = {file.path: file.content_key for file in files.present(session.catalog)}
    paths = list(keys)
    real = {os.path.realpath(path) for path in paths}
    paths += [path for path in _pictures_below(workspace) if os.path.realpath(path) not in real]
    found: dict[str, _Photo] = {}
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="hash") as pool:
        for start in range(0, len(paths), READ_TOGETHER):
            if session.reporter.cancelled():
                break
            chunk = paths[start : start + READ_TOGETHER]
            for path, hashed in zip(chunk, pool.map(_sha256, chunk), strict=True):
                if hashed is None or hashed not in hashes or hashed in found:
                    continue
                try:
                    found[hashed] = _Photo(keys.get(path) or content_key(Path(path)), hashed, path)
                except OSError:
                    continue
            session.reporter.progress(Progress("import", start + len(chunk), len(paths)))
    return list(found.values())


def _pictures_below(workspace: Path) -> Iterator[str]:
    for part in ("heads", "test"):
        for folder, _, names in os.walk(workspace / part):
            paths = (os.path.join(folder, name) for name in sorted(names) if is_picture(name))
            yield from (path for path in paths if os.path.isfile(path))  # noqa: PTH113 (a pipe is none)


def _sha256(path: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            while block := stream.read(_HASHED_AT_ONCE):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


# ---- checkpoints ----


def import_checkpoint(
    session: Session, path: Path, head: str | None = None, names: Mapping[str, str] | None = None
) -> ImportedHead:
    """Take a checkpoint into use as a head.

    Args:
        path: the `.pt` file.
        head: which head it is for; default: the file's name.
        names: headmaster's name of a model → what it is called here, where they differ.

    Raises:
        CheckpointError: it cannot be read, or does not fit the head or the model.
        UsageError: there is no such head.
    """
    name = head or path.stem
    (buckets,) = session.heads(name).values()
    checkpoint = read_checkpoint(path)
    model = _model_of(session, path, (names or {}).get(checkpoint.model, checkpoint.model), checkpoint.input_dim)
    assert model.fingerprint is not None  # noqa: S101 (`_model_of` sees to it)
    number = heads.next_version(session.catalog, name)
    try:
        made = head_from(checkpoint, name=name, buckets=buckets, model_fingerprint=model.fingerprint, version=number)
    except CheckpointError as error:
        raise CheckpointError(error.what, path=path, advice=error.advice) from error
    trained_on = {one: len(paths) for one, paths in checkpoint.sources.items()}
    said = f", trained on {sum(trained_on.values())} pictures" if trained_on else ""
    note = f"Imported from {path} (headmaster's network by {checkpoint.model}{said})."
    file = f"{name}-{number:04d}.safetensors"
    make_own_folder(session.home.heads_dir)
    save_head(made, session.home.heads_dir / file)
    heads.add(  # trained now, not when headmaster did: whatever is labelled by now it may have learned from
        session.catalog,
        HeadVersion(
            head=name, version=number, trained_at=time.time(), kind=made.kind, buckets=buckets,
            label_counts={one: trained_on.get(one, 0) for one in buckets}, label_hash="", model_id=model.id,
            fingerprint=model.fingerprint, threshold=made.threshold, metrics={}, file=file, in_use=True, reason=note,
            details={"imported": _sha256(str(path))},
        ),
    )  # fmt: skip
    return ImportedHead(str(path), name, number, note)


def _tried(session: Session, path: Path, names: Mapping[str, str]) -> ImportedHead:
    """Take a checkpoint over if it can be, or say why not. Neither ours nor one that was taken over before is."""
    if not path.is_file():
        return ImportedHead(str(path), path.stem, None, "Not taken over: it is no file.")
    if is_ours(session.home, path):
        return ImportedHead(str(path), path.stem, None, "Not taken over: keeprate wrote it itself.")
    try:
        digest = _sha256(str(path))
        if any(version.details.get("imported") == digest for version in heads.history(session.catalog, path.stem)):
            return ImportedHead(str(path), path.stem, None, "Not taken over: it was imported before.")
        return import_checkpoint(session, path, names=names)
    except KeeprateError as error:
        return ImportedHead(str(path), path.stem, None, f"Not taken over: {error.what}")


def _model_of(session: Session, path: Path, name: str, dimension: int) -> Model:
    """The registered model that a checkpoint was made with; raises CheckpointError if there is none that fits."""
    model = next((one for one in models.all_models(session.catalog) if one.name == name), None)
    if model is None:
        known = ", ".join(one.name for one in models.all_models(session.catalog))
        raise CheckpointError(
            f"The checkpoint was made with the model {name[:LONGEST_NAME]!r}, which is not registered.",
            path=path,
            advice=f"Registered are: {known}. `keeprate model add {name[:LONGEST_NAME]} --path …` registers it.",
        )
    if model.embed_dim not in (None, dimension):
        raise CheckpointError(
            f"The checkpoint takes vectors of {dimension} numbers, but the model {name!r} gives {model.embed_dim}.",
            path=path,
            advice="It was made with another model of that name: register that one under its name.",
        )
    if model.fingerprint is None:
        fingerprint = provisional_fingerprint(model.path, dimension)
        model = models.assume(session.catalog, model, embed_dim=dimension, fingerprint=fingerprint)
    return model
