"""What may stand in the config file. Every field's description ends up in docs/reference/config.md."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from keeprate.config.durations import Duration, parse_duration, parse_quiet_hours

TRASH_BUCKET = "trash:"
"""In a bucket's list of folders: the desktop's trash."""

LONGEST_HEAD_NAME = 100
"""Bytes: names of files begin with it, and 255 is the end."""

VIEWERS = (
    "folder", "geeqie", "digikam", "darktable", "gthumb", "shotwell", "gwenview", "dolphin", "nomacs", "xnview",
    "lightroom", "explorer", "finder",
)  # fmt: skip


class Section(BaseModel):
    """A table of the config file; a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def unusable_as_head(name: str) -> str | None:
    """Why no head can be called so, or None."""
    if "/" in name:  # its files could not be called so
        return "must not have a / in its name"
    if len(os.fsencode(name)) > LONGEST_HEAD_NAME:
        return f"has a name longer than {LONGEST_HEAD_NAME} bytes"
    return None


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Folders = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


def _as_numbers(value: object) -> object:
    return [value] if isinstance(value, int) else value


Stars = Annotated[tuple[Annotated[int, Field(ge=-1, le=5, strict=True)], ...], BeforeValidator(_as_numbers)]
Words = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


_USUAL_MARKS = {
    "ratings": {"keep": (4, 5), "delete": (-1, 1)}, "picks": {"keep": ("accepted",), "delete": ("rejected",)},
}  # fmt: skip
PICKS = ("accepted", "rejected", "pending")


class HeadConfig(Section):
    """`[library.heads.NAME]`: one question about photos, and which folder means which answer."""

    buckets: dict[str, Folders] = Field(
        description="Bucket name → its folder or folders, relative to the library's root. `**/keep` means every "
        'folder of that name, at any depth; `"trash:"` is the desktop\'s trash. The first bucket is the one whose '
        "probability is the score."
    )
    ratings: dict[str, Stars] = Field(
        default_factory=dict,
        description="Bucket → the stars that mean it, from 1 to 5; -1 is “rejected”. A head with the buckets keep and "
        "delete has `{ keep = [4, 5], delete = [-1, 1] }`; `{}` turns it off.",
    )
    picks: dict[str, Words] = Field(
        default_factory=dict,
        description="Bucket → the flags that mean it: `accepted`, `rejected`, `pending`. A head with the buckets keep "
        'and delete has `{ keep = "accepted", delete = "rejected" }`.',
    )
    colours: dict[str, Words] = Field(
        default_factory=dict, description="Bucket → the colour labels that mean it: `Red`, `Yellow`, `Green` …"
    )
    keywords: dict[str, Words] = Field(
        default_factory=dict,
        description="Bucket → the keywords that mean it. `Best` is also the last part of `Albums|Best`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_marks(cls, values: Any) -> Any:
        """Stars and flags mean something by themselves where the buckets are called keep and delete."""
        if not isinstance(values, dict) or not isinstance(buckets := values.get("buckets"), dict):
            return values
        return (_USUAL_MARKS | values) if {"keep", "delete"} <= buckets.keys() else values

    @model_validator(mode="after")
    def _marks_tell_buckets(self) -> HeadConfig:
        for table in ("ratings", "picks", "colours", "keywords"):
            told: dict[Any, str] = {}
            for bucket, values in getattr(self, table).items():
                if bucket not in self.buckets:
                    raise ValueError(f"{table} names {bucket!r}, which is no bucket of this head")
                for value in values:
                    if value == 0:
                        raise ValueError(f"{table}: 0 stars mean “not rated”, they cannot mean {bucket!r}")
                    if told.setdefault(value.casefold() if isinstance(value, str) else value, bucket) != bucket:
                        raise ValueError(f"{table}: {value!r} cannot mean two buckets")
        unknown = {pick for picks in self.picks.values() for pick in picks} - set(PICKS)
        if unknown:
            raise ValueError(f"picks: {min(unknown)!r} is no flag; flags are {', '.join(PICKS)}")
        return self

    @field_validator("buckets")
    @classmethod
    def _sensible(cls, buckets: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if len(buckets) < 2:
            raise ValueError("a head needs at least two buckets")
        buckets = {  # "keep/" and "./keep" are "keep"
            bucket: tuple(one if one in ("", TRASH_BUCKET) else str(PurePosixPath(one)) for one in folders)
            for bucket, folders in buckets.items()
        }
        seen: dict[str, str] = {}
        for bucket, folders in buckets.items():
            for folder in folders:
                pure = PurePosixPath(folder)
                if folder != TRASH_BUCKET and (pure.is_absolute() or ".." in pure.parts or folder in ("", ".", "**")):
                    raise ValueError(f"{folder!r} must be a folder inside the library")
                other = seen.setdefault(folder, bucket)
                if other != bucket:
                    raise ValueError(f"the folder {folder!r} belongs to two buckets, {other} and {bucket}")
        return buckets


def _default_heads() -> dict[str, HeadConfig]:
    return {"keep": HeadConfig(buckets={"keep": ("keep",), "delete": ("delete", TRASH_BUCKET)})}


class LibraryConfig(Section):
    """`[[library]]`: one folder that is watched, with everything below it."""

    name: str = Field(pattern=r"^[\w][\w .-]*$", description="What the library is called; unique.")
    root: Path = Field(description="The folder; `~` is your home.")
    viewer: Literal[VIEWERS] = Field(  # type: ignore[valid-type]
        default="folder",
        description="The photo viewer that you look with, as `init` or `profile` noted it; it has no effect by itself.",
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Names or patterns of folders and files that are never looked at."
    )
    heads: dict[str, HeadConfig] = Field(
        default_factory=_default_heads,
        description="The heads of this library. Heads of the same name learn together.",
    )
    marks: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="`[library.marks.NAME]`: one table for each photo manager that shall write marks.",
    )
    forget_vanished: bool = Field(
        default=False,
        description="A photo that is in none of the bucket's folders any more loses its label, also if it is nowhere "
        "else: the folders are the whole truth. Otherwise a photo that was sorted and then deleted goes on teaching.",
    )
    marked_head: str | None = Field(default=None, description="The head whose scores are marked; default: the first.")

    @field_validator("root")
    @classmethod
    def _expanded(cls, root: Path) -> Path:
        with contextlib.suppress(RuntimeError):  # the home of nobody: it stays what it is, and is not absolute
            root = root.expanduser()
        if not root.is_absolute():
            raise ValueError("the root must be an absolute path, or begin with ~ or the ~name of a user")
        return Path(os.path.normpath(root))

    @model_validator(mode="after")
    def _heads_known(self) -> LibraryConfig:
        if not self.heads:
            raise ValueError("a library needs at least one head")
        for name in self.heads:
            if (reason := unusable_as_head(name)) is not None:
                raise ValueError(f"the head {name!r} {reason}")
        if self.marked_head is not None and self.marked_head not in self.heads:
            raise ValueError(f"marked_head names {self.marked_head!r}, which is no head of this library")
        return self

    @property
    def head_to_mark(self) -> str:
        return self.marked_head or next(iter(self.heads))


class WatchingConfig(Section):
    """`[watching]`: how soon and how often folders are looked at."""

    stable_after: Duration = Field(
        default=parse_duration("2s"), description="A file is read when it has not changed for this long."
    )
    rescan_every: Duration = Field(
        default=parse_duration("15m"), description="How often everything is walked, since events can be lost."
    )
    check_roots_every: Duration = Field(
        default=parse_duration("10s"),
        description="How often it is checked that the library roots are still there.",
    )


class PicturesConfig(Section):
    """`[pictures]`: limits of what is opened."""

    max_megapixels: float = Field(
        default=300, gt=0, description="A picture with more megapixels is reported instead of opened."
    )


class EmbeddingConfig(Section):
    """`[embedding]`: how pictures are turned into vectors. Which model does it: `keeprate model activate`."""

    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="`auto` measures which is fastest without changing the vectors materially.",
    )
    threads: int = Field(default=0, ge=0, description="Cores to use; 0: all of them.")
    batch_size: int = Field(default=8, ge=1, le=512, description="Pictures in one forward pass.")
    idle_exit: Duration = Field(
        default=parse_duration("45s"),
        description="The worker process ends when it had nothing to do for this long.",
    )


class TrainingConfig(Section):
    """`[training]`: when heads learn."""

    every: Duration = Field(default=parse_duration("6h"), description="Retrain at least this often, if labels changed.")
    min_new_labels: int = Field(default=20, ge=1, description="Retrain once this many labels have changed …")
    quiet_after: Duration = Field(
        default=parse_duration("2m"),
        description="… and none has changed for this long (you are still sorting).",
    )
    quiet_hours: str = Field(default="", description='No training within these hours, such as "09:00-18:00".')
    prior: Literal["labels", "estimate"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        default="labels",
        description="How often the first bucket (keep) occurs in the library, which is what probabilities refer to. "
        '`"labels"`: as often as among your labels; `"estimate"`: estimated from the photos without a label; or a '
        "share, such as `0.1` if you keep one photo in ten.",
    )
    keepers_lost: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Choose the threshold of heads with two buckets so that at most this share of the keepers falls "
        "below it, such as `0.01`. Default: the threshold with the best F1.",
    )
    seed: int = Field(default=0, description="The same labels and the same seed give the same head.")

    @field_validator("quiet_hours")
    @classmethod
    def _readable(cls, text: str) -> str:
        parse_quiet_hours(text)
        return text


class JobsConfig(Section):
    """`[jobs]`: when the daemon works, and how hard. What you ask for yourself is done at once, whatever stands here.

    Heavy work is embedding, training, comparing, thumbnails, integrity checks and backups. Looking at folders, scoring
    and writing marks cost next to nothing and are never kept waiting by these settings.
    """

    quiet_hours: str = Field(
        default="", description='No heavy work within these hours, such as "09:00-18:00". May run over midnight.'
    )
    on_battery: bool = Field(default=False, description="Do heavy work on battery too.")
    while_busy: bool = Field(
        default=False,
        description="Do heavy work also while other programs need the processor or one fills the screen. That one "
        "fills the screen is known on X11 only, and where `xprop` is installed.",
    )
    patience: Duration = Field(
        default=parse_duration("15m"),
        description="Work that has waited this long because the machine was busy is done all the same.",
    )
    max_cpu: int = Field(
        default=100, ge=5, le=100, description="Percent of all cores that heavy work may use, on average."
    )
    worker_memory: int = Field(
        default=4000,
        ge=300,
        description="Megabytes; a worker process that uses more is replaced by a new one. At least 500 more than the "
        "model takes are always granted.",
    )
    thumbnails: bool = Field(default=True, description="Make thumbnails for the page ahead of time.")
    integrity_every: Duration = Field(
        default=parse_duration("7d"), description="How often the catalog is checked for damage."
    )
    backup_every: Duration = Field(default=parse_duration("1d"), description="How often the catalog is backed up.")
    backups_kept: Duration = Field(
        default=parse_duration("7d"),
        description="Older backups are removed, but as many stay as belong to this time, seven at most.",
    )

    @field_validator("quiet_hours")
    @classmethod
    def _readable(cls, text: str) -> str:
        parse_quiet_hours(text)
        return text


class ApiConfig(Section):
    """`[api]`: how other programs reach the daemon. The unix socket is always there; only you can open it.

    `keeprate config reload` applies a change, too: the page and streams begin anew then.
    """

    web: bool = Field(default=True, description="Serve the page on 127.0.0.1, to browsers that show the token.")
    port: int = Field(default=0, ge=0, le=65535, description="Its port; 0: any that is free.")
    metrics: bool = Field(default=False, description="Serve figures for Prometheus at `/metrics`.")


class TrayConfig(Section):
    """`[tray]`: the icon of `keeprate tray`."""

    notifications: bool = Field(
        default=True,
        description="Say so on the desktop when a better head went live, a folder is offline or a disk is full.",
    )


class Config(Section):
    """The whole config file."""

    library: tuple[LibraryConfig, ...] = Field(default=(), description="The libraries.")
    watching: WatchingConfig = Field(default_factory=WatchingConfig)
    pictures: PicturesConfig = Field(default_factory=PicturesConfig)
    embedding: EmbeddingConfig = Field(default_factory=EmbeddingConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    jobs: JobsConfig = Field(default_factory=JobsConfig)
    api: ApiConfig = Field(default_factory=ApiConfig)
    tray: TrayConfig = Field(default_factory=TrayConfig)

    @model_validator(mode="after")
    def _libraries_apart(self) -> Config:
        names = [library.name for library in self.library]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two libraries are called {name!r}")
        for one in self.library:
            for other in self.library:
                if one is not other and one.root.is_relative_to(other.root):
                    raise ValueError(f"the library {one.name!r} lies inside the library {other.name!r}")
        heads: dict[str, tuple[str, tuple[str, ...]]] = {}
        for library in self.library:
            for name, head in library.heads.items():
                owner, buckets = heads.setdefault(name, (library.name, tuple(head.buckets)))
                if buckets != tuple(head.buckets):
                    raise ValueError(
                        f"the head {name!r} has the buckets {', '.join(buckets)} in {owner!r} "
                        f"but {', '.join(head.buckets)} in {library.name!r}"
                    )
        return self

    def heads(self) -> dict[str, tuple[str, ...]]:
        """Head name → its buckets, over all libraries, in the order of the file."""
        return {name: tuple(head.buckets) for library in self.library for name, head in library.heads.items()}

    def library_named(self, name: str) -> LibraryConfig | None:
        return next((library for library in self.library if library.name == name), None)
