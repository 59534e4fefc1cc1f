"""The registry of vision models: exactly one is active; vectors of the others stay cached (H5–H13, H34)."""

from __future__ import annotations

from dataclasses import dataclass

from keeprate.catalog.connection import Catalog
from keeprate.errors import UsageError

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model; `embed_dim` and `fingerprint` are None until it has been loaded once."""

    id: int
    name: str
    path: str
    revision: str | None
    embed_dim: int | None
    fingerprint: str | None
    active: bool
    cached: int
    """How many photos have a vector by it."""


_SELECT = """
    SELECT id, name, path, revision, embed_dim, fingerprint, active,
           (SELECT count(*) FROM embeddings WHERE model_id = models.id)
    FROM models
"""


def _model(row: tuple[int, str, str, str | None, int | None, str | None, int, int]) -> Model:
    return Model(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]), row[7])


def all_models(catalog: Catalog) -> list[Model]:
    return [_model(row) for row in catalog.conn.execute(_SELECT + " ORDER BY name")]


def named(catalog: Catalog, name: str) -> Model:
    """The model called `name`.

    Raises:
        UsageError: there is none; names those that there are.
    """
    row = catalog.conn.execute(_SELECT + " WHERE name = ?", (name,)).fetchone()
    if row is None:
        known = ", ".join(model.name for model in all_models(catalog))
        raise UsageError(
            f"There is no model called {name!r}.",
            advice=f"Registered are: {known}. `keeprate model add` registers another.",
        )
    return _model(row)


def active(catalog: Catalog) -> Model:
    """The model in use; there always is one."""
    return _model(catalog.conn.execute(_SELECT + " WHERE active = 1").fetchone())


def add(catalog: Catalog, name: str, path: str, *, embed_dim: int | None, revision: str | None) -> Model:
    """Register a model.

    Raises:
        UsageError: the name is taken.
    """
    if catalog.conn.execute("SELECT 1 FROM models WHERE name = ?", (name,)).fetchone():
        raise UsageError(
            f"A model called {name!r} is registered already.",
            advice=f"Choose another name, or `keeprate model remove {name}` first.",
        )
    with catalog.db.atomic():
        catalog.conn.execute(
            # never the id of a removed model: the heads that it trained must not take this one for it
            "INSERT INTO models (id, name, path, embed_dim, revision) VALUES ((SELECT max(id) + 1 FROM "
            "(SELECT id FROM models UNION ALL SELECT model_id FROM head_versions)), ?, ?, ?, ?)",
            (name, path, embed_dim, revision),
        )
    return named(catalog, name)


def activate(catalog: Catalog, name: str) -> Model:
    """Make `name` the model in use; nothing is recomputed that is cached."""
    model = named(catalog, name)
    with catalog.db.atomic():
        catalog.conn.execute("UPDATE models SET active = 0 WHERE active = 1")
        catalog.conn.execute("UPDATE models SET active = 1 WHERE id = ?", (model.id,))
    return named(catalog, name)


def remove(catalog: Catalog, name: str) -> Model:
    """Forget a model and every vector by it (H12); the built-in one takes over if it was active.

    Raises:
        UsageError: it is unknown or built in.
    """
    model = named(catalog, name)
    if model.path == BUILTIN:
        raise UsageError("The built-in model cannot be removed.", advice="Activate another one instead.")
    with catalog.db.atomic():
        catalog.conn.execute("DELETE FROM models WHERE id = ?", (model.id,))  # embeddings follow by cascade
        if model.active:
            catalog.conn.execute("UPDATE models SET active = 1 WHERE path = ?", (BUILTIN,))
    return model


def record_loaded(catalog: Catalog, model: Model, *, embed_dim: int, fingerprint: str) -> int:
    """Note what a model turned out to be; vectors of another fingerprint are dropped. Returns how many were."""
    dropped = 0
    with catalog.db.atomic():
        if model.fingerprint not in (None, fingerprint):
            dropped = catalog.conn.execute("DELETE FROM embeddings WHERE model_id = ?", (model.id,)).rowcount
        catalog.conn.execute(
            "UPDATE models SET embed_dim = ?, fingerprint = ? WHERE id = ?",
            (embed_dim, fingerprint, model.id),
        )
    return dropped


def assume(catalog: Catalog, model: Model, *, embed_dim: int, fingerprint: str) -> Model:
    """Note what a model is believed to be before it has ever been loaded: its vectors come from elsewhere."""
    with catalog.db.atomic():
        catalog.conn.execute(
            "UPDATE models SET embed_dim = ?, fingerprint = ? WHERE id = ? AND fingerprint IS NULL",
            (embed_dim, fingerprint, model.id),
        )
    return named(catalog, model.name)


def confirm(catalog: Catalog, model: Model, fingerprint: str) -> None:
    """What `assume` believed turned out to be true: vectors and head versions stay, under the real fingerprint."""
    with catalog.db.atomic():
        catalog.conn.execute("UPDATE models SET fingerprint = ? WHERE id = ?", (fingerprint, model.id))
        catalog.conn.execute(
            "UPDATE head_versions SET fingerprint = ? WHERE model_id = ? AND fingerprint = ?",
            (fingerprint, model.id, model.fingerprint),
        )
