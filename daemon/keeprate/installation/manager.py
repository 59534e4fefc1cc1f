"""What keeprate asks of a service manager, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from keeprate.installation.own_files import OwnFile
from keeprate.installation.program import Program

ServiceKind = Literal["systemd", "launchd", "none"]
"""What starts the service; `none`: nothing on this system that keeprate knows."""


_AFTER = {
    2: "The config makes no sense (`keeprate config check` tells), or there is no library (`keeprate init FOLDER`).",
    65: "The catalog is damaged, or was written by a newer keeprate: `keeprate status` says which, and what to do.",
}
"""What `keeprate run` ended with (`service.daemon`) where it has to wait for its user → what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the service manager says of the service. None and "" where it says nothing."""

    enabled: bool | None = None
    active: str = ""
    """`active`, `activating`, `deactivating`, `failed`, `inactive`."""
    pid: int | None = None
    status_text: str = ""
    last_exit: str = ""
    exit_code: int | None = None
    restarts: int = 0
    program: str = ""
    drop_ins: tuple[str, ...] = ()
    lingering: bool | None = None
    complaints: tuple[str, ...] = ()
    """What it finds wrong with the file, in sentences that say what to do."""

    @property
    def runs(self) -> bool:
        return self.active in ("active", "activating", "reloading")

    @property
    def what_to_do(self) -> str:
        """About how it ended, where the exit code tells; empty: its log does."""
        return _AFTER.get(self.exit_code or 0, "")


class ServiceManager(Protocol):
    """systemd or launchd, for the service of one home."""

    @property
    def kind(self) -> ServiceKind: ...

    @property
    def unit(self) -> str: ...

    @property
    def file(self) -> Path: ...

    @property
    def tray_file(self) -> Path: ...

    def check(self) -> None:
        """See whether it can be asked at all.

        Raises:
            ServiceUnavailableError: why not, and what to do.
        """

    def service_file(self, program: Program) -> OwnFile: ...

    def tray_entry(self, program: Program) -> OwnFile:
        """What starts the tray icon at login."""

    def facts(self) -> Facts: ...

    def take_up(self, *, changed: bool) -> None:
        """Have the service start now and at every login; `changed`: its file is not the one from before."""

    def give_up(self) -> None:
        """End the service, and have it not start any more; the file is removed afterwards, then `forget`."""

    def forget(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def restart(self) -> None: ...

    def program_in(self, text: str) -> str:
        """The program that the service file with this text starts; empty if it says none."""
