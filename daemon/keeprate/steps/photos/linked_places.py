"""Links that say where photos belong: in a bucket's folder, or in the desktop's trash.

Whoever sorts in a view folder moves links, not photos, and means the photos. A link that was moved into a bucket's
folder counts as its photo (decision 0004); one that was thrown away says what the trash says (decision 0089).
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from keeprate.catalog import files
from keeprate.catalog.labels import Label
from keeprate.config.models import TRASH_BUCKET, HeadConfig, LibraryConfig
from keeprate.pictures.formats import is_picture
from keeprate.steps.marks.managers import managers_for
from keeprate.steps.session import Session
from keeprate.watching.exclusions import VIEW_MARKER, Exclusions
from keeprate.watching.trash import DesktopTrash, TrashedFile

TIDIED_AWAY = 20
"""So many links in the trash, with none left in their view folder, mean that the folder was emptied, and nothing about
the photos."""


@dataclass(frozen=True, slots=True)
class TrashedLink:
    """A link of a view folder that lies in the trash, and the photo that it leads to."""

    content_key: str
    path: str
    """Where it lay."""
    trashed_at: float
    """Unix seconds."""
    tidied_away: bool
    """It went with all others of its folder: it says nothing about the photo."""


def links_in_buckets(
    session: Session, library: LibraryConfig, head: HeadConfig, unseen: list[str]
) -> Iterator[tuple[str, str]]:
    """(content key, link) of links in a bucket's folder that lead to photos of the library.

    Only folders named from the root are searched: for `**/keep` the whole library would have to be. Folders that are
    there but cannot be read are added to `unseen`.
    """
    root, exclude = str(library.root), Exclusions(library.exclude)
    links: list[str] = []
    for folders in head.buckets.values():
        for folder in folders:
            if folder != TRASH_BUCKET and not folder.startswith("**/"):
                links += _links_below(os.path.join(root, folder), exclude, unseen)
    yield from _photos_behind(session, library, links)


def links_in_trash(session: Session, library: LibraryConfig) -> list[TrashedLink]:
    """The links of this library's view folders that lie in a trash of this user now."""
    views = [Path(os.path.realpath(view)) for view in views_of(library)]
    if not views:
        return []
    found: dict[str, TrashedFile] = {}
    from_view: dict[str, Path] = {}
    for trashed in _trash((library.root, *views)).list_trashed():
        lay = _with_real_folder(trashed.original)
        view = next((view for view in views if lay.is_relative_to(view)), None)
        if view is not None and trashed.file.is_symlink():
            found[str(trashed.file)] = trashed
            from_view[str(trashed.file)] = view
    emptied = _emptied(from_view.values())
    return [
        TrashedLink(key, str(found[link].original), found[link].trashed_at.timestamp(), from_view[link] in emptied)
        for key, link in _photos_behind(session, library, found)
    ]


def lay_in_view(library: LibraryConfig, label: Label) -> bool:
    """Whether a label by the trash is about a link in a view folder of `library` that was not brought back since.

    A link that was brought back is older than the label; one that keeprate made anew is younger.
    """
    if label.path is None:
        return False
    link = _with_real_folder(Path(label.path))
    if not any(link.is_relative_to(os.path.realpath(view)) for view in views_of(library)):
        return False
    try:
        status = link.lstat()
    except OSError:
        return True
    return not stat.S_ISLNK(status.st_mode) or status.st_mtime >= label.at


@cache
def _trash(roots: tuple[Path, ...]) -> DesktopTrash:
    """The trashes of these folders; kept, because what it has read once it need not read again."""
    return DesktopTrash(roots)


def _with_real_folder(path: Path) -> Path:
    """`path` with the links in its folder's path resolved, and itself not: it may be a link."""
    return Path(os.path.realpath(path.parent), path.name)


def views_of(library: LibraryConfig) -> list[Path]:
    """The folders that photo managers make for a library."""
    return [folder for manager in managers_for(library).values() for folder in manager.own_folders()]


def _emptied(views: Iterable[Path]) -> set[Path]:
    """The view folders that lost very many links to the trash and have none left."""
    lost = Counter(views)
    return {
        view
        for view, count in lost.items()
        if count >= TIDIED_AWAY and not any(_links_below(str(view), Exclusions(), [], of_views=True))
    }


def _photos_behind(session: Session, library: LibraryConfig, links: Iterable[str]) -> list[tuple[str, str]]:
    """(content key, link) of those links that lead to photos of the library that are there now."""
    root, views = str(library.root), views_of(library)
    real_root = os.path.realpath(root)
    targets = {link: _target(link, views) for link in links}
    in_library = {
        link: root + target[len(real_root) :] for link, target in targets.items() if target.startswith(real_root + "/")
    }
    keys = files.content_keys_at(session.catalog, set(in_library.values()), present=True)
    return [(keys[target], link) for link, target in in_library.items() if target in keys]


def _target(link: str, views: Collection[Path]) -> str:
    """Where a link leads; a relative one that was moved out of a view folder still means what it did there."""
    target = Path(os.path.realpath(link))
    if target.exists():
        return str(target)
    try:
        said = Path(link).readlink()
    except OSError:
        return str(target)
    # From the view itself, or from one of its subfolders: which one, makes no difference to `..`.
    meant = (Path(os.path.realpath(start / said)) for view in views for start in (view, view / "-"))
    return str(next((path for path in meant if path.exists()), target))


def _links_below(folder: str, exclude: Exclusions, unseen: list[str], *, of_views: bool = False) -> Iterator[str]:
    """Symbolic links named like pictures, at any depth below `folder`; our own view folders left out, or not.

    Folders that are there but cannot be read are added to `unseen`.
    """
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                here = [
                    entry for entry in entries if not exclude.excludes_name(entry.name) or entry.name == VIEW_MARKER
                ]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            unseen.append(folder)
            continue
        if not of_views and any(entry.name == VIEW_MARKER for entry in here):
            continue  # what keeprate put there is no decision of the user's
        waiting += [entry.path for entry in here if entry.is_dir(follow_symlinks=False)]
        yield from (entry.path for entry in here if entry.is_symlink() and is_picture(entry.name))
