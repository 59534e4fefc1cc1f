"""What commands have to do with a running daemon: finding it, telling it, needing it.

Nothing of the api is imported where no daemon runs: most commands then cost what they cost without one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from keeprate.api.client import DaemonClient
    from keeprate.paths import Home


def daemon_of(home: Home) -> DaemonClient | None:
    """The daemon of this home, to be used in a `with`; None: none runs, or it cannot be reached (`unheard` tells)."""
    from keeprate.steps.lock import lock_holder

    if lock_holder(home.daemon_lock_file) is None:
        return None
    from keeprate.api.client import DaemonClient

    return DaemonClient.connect(home)


def unheard(home: Home) -> str:
    """What to say where nobody took note of what is in the catalog now: why, and when somebody will."""
    return _unreached(home) or "No daemon runs now; it is noted for when one does."


def unreachable(home: Home) -> str:
    """What to say of a daemon that runs and cannot be reached; empty: there is no such one."""
    return _unreached(home) if daemon_of(home) is None else ""


def _unreached(home: Home) -> str:
    from keeprate.steps.lock import lock_holder

    pid = lock_holder(home.daemon_lock_file)
    if pid is None:
        return ""
    return f"The daemon (process {pid}) runs and cannot be reached: it finds out before it works again. {_anew(pid)}"


def _anew(pid: int) -> str:
    by_hand = f", or `kill {pid}` and `keeprate run`" if pid else ""  # nobody can name it
    return f"To reach it, restart it: `keeprate service restart`{by_hand}."


def needed_daemon(home: Home, *, what: str = "The daemon is not running.", instead: str = "") -> DaemonClient:
    """The daemon of this home; `what` is said where there is none, and `instead`, or how to start one.

    Raises:
        DaemonNotRunningError: none runs, or it cannot be reached.
    """
    from keeprate.errors import DaemonNotRunningError
    from keeprate.steps.lock import lock_holder

    client = daemon_of(home)
    if client is not None:
        return client
    pid = lock_holder(home.daemon_lock_file)
    if pid is not None:
        raise DaemonNotRunningError(
            f"The daemon (process {pid}) runs and cannot be reached.",
            advice=f"If it has only just started, try again in a moment. {_anew(pid)} `keeprate logs` says more.",
        )
    if not instead:
        from keeprate.installation.state import how_to_start

        instead = how_to_start(home)
    raise DaemonNotRunningError(what, advice=instead)


def make_way(home: Home, who: str) -> bool:
    """Whether there is a daemon that has taken note that `who` waits for the work lock."""
    return _told(home, lambda client: client.make_way(who))


def tell_of_catalog(home: Home) -> bool:
    """Have a running daemon look at what has changed in the catalog; whether one has taken note.

    What was done is done, whether it hears of it or not: it finds out by itself in time.
    """
    return _told(home, lambda client: client.catalog_changed())


def tell_of_config(home: Home) -> bool:
    """Have a running daemon read the settings again; whether one has taken note."""
    return _told(home, lambda client: client.reload())


def _told(home: Home, tell: Callable[[DaemonClient], object]) -> bool:
    from keeprate.errors import KeeprateError

    with suppress(KeeprateError):
        client = daemon_of(home)
        if client is not None:
            with client:
                tell(client)
            return True
    return False
