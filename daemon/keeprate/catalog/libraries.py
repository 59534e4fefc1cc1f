"""What was last seen of each library's root: the guard against believing an unmounted disk."""

from __future__ import annotations

from dataclasses import dataclass

from keeprate.catalog.connection import Catalog, path_bytes
from keeprate.catalog.files import signed


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """A library as last seen: why it is offline, if it is, and when its last whole scan began (unix seconds)."""

    name: str
    root: str
    device: int | None
    inode: int | None
    offline: str | None
    scanned_at: float | None


def get(catalog: Catalog, name: str) -> LibraryRow | None:
    row = catalog.conn.execute(
        "SELECT name, root, device, inode, offline, scanned_at FROM libraries WHERE name = ?", (name,)
    ).fetchone()
    return LibraryRow(*row) if row else None


def known(catalog: Catalog) -> list[LibraryRow]:
    """Every library ever seen, also such as the config does not name any more."""
    rows = catalog.conn.execute("SELECT name, root, device, inode, offline, scanned_at FROM libraries ORDER BY name")
    return [LibraryRow(*row) for row in rows]


def set_online(catalog: Catalog, name: str, root: str, *, device: int, inode: int) -> None:
    with catalog.db.atomic():
        catalog.conn.execute(
            """
            INSERT INTO libraries (name, root, device, inode) VALUES (?1, CAST(?2 AS TEXT), ?3, ?4)
            ON CONFLICT (name) DO UPDATE SET root = excluded.root, device = ?3, inode = ?4, offline = NULL
            """,
            (name, path_bytes(root), device, signed(inode)),
        )


def set_offline(catalog: Catalog, name: str, root: str, reason: str) -> None:
    with catalog.db.atomic():
        catalog.conn.execute(
            "INSERT INTO libraries (name, root, offline) VALUES (?1, CAST(?2 AS TEXT), ?3) "
            "ON CONFLICT (name) DO UPDATE SET offline = ?3",
            (name, path_bytes(root), reason),
        )


def set_scanned(catalog: Catalog, name: str, at: float) -> None:
    with catalog.db.atomic():
        catalog.conn.execute("UPDATE libraries SET scanned_at = ? WHERE name = ?", (at, name))
