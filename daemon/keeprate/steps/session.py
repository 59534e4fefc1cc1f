"""What every step works with: the home, the config, an open catalog, and somebody to report to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keeprate.catalog import Catalog, open_catalog
from keeprate.config.models import Config, LibraryConfig
from keeprate.config.workspace import config_of
from keeprate.errors import UsageError
from keeprate.paths import Home, close_to_others


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is. `total` is None while it is not known."""

    step: str
    done: int
    total: int | None
    note: str = ""


def _ignore(_: Progress) -> None:
    return


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Reporter:
    """Where a step tells how far it is, and asks whether it shall stop."""

    progress: Callable[[Progress], None] = _ignore
    cancelled: Callable[[], bool] = _never


@dataclass(frozen=True, slots=True)
class Session:
    """One process's hold on a home. Not shared between threads: the catalog's connection belongs to one."""

    home: Home
    config: Config
    catalog: Catalog
    reporter: Reporter = field(default_factory=Reporter)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.catalog.close()

    def libraries(self, name: str | None = None) -> Sequence[LibraryConfig]:
        """The library called `name`, or all.

        Raises:
            UsageError: there is no such library, or none at all.
        """
        if name is None:
            if not self.config.library and self.home.workspace is not None:
                raise UsageError(
                    "The workspace has no head yet.",
                    advice="Make one folder for each bucket, such as heads/hotdog/positive and heads/hotdog/negative.",
                    path=self.home.workspace,
                )
            if not self.config.library:
                raise UsageError(
                    "There is no library yet.",
                    advice="`keeprate init FOLDER` makes the first one.",
                    path=self.home.config_file,
                )
            return self.config.library
        library = self.config.library_named(name)
        if library is None:
            known = ", ".join(one.name for one in self.config.library) or "none"
            raise UsageError(f"There is no library called {name!r}.", advice=f"Known are: {known}.")
        return (library,)

    def libraries_of(self, head: str) -> tuple[str, ...]:
        """Names of the libraries that have the head called `head`."""
        return tuple(library.name for library in self.config.library if head in library.heads)

    def heads(self, name: str | None = None) -> dict[str, tuple[str, ...]]:
        """Head name → buckets: of the head called `name`, or of all.

        Raises:
            UsageError: there is no such head.
        """
        heads = self.config.heads()
        if name is None:
            return heads
        if name not in heads:
            raise UsageError(f"There is no head called {name!r}.", advice=f"Known are: {', '.join(heads) or 'none'}.")
        return {name: heads[name]}


def open_session(home: Home, reporter: Reporter | None = None, *, config: Config | None = None) -> Session:
    """Open the catalog of `home`, with the `config` that is in force (None: the one that its file says).

    Raises:
        ConfigError: the config makes no sense.
        CatalogError: the catalog cannot be opened.
    """
    config = config or config_of(home)
    close_to_others(home)
    return Session(home, config, open_catalog(home.catalog_file), reporter or Reporter())
