"""Asking the system's own tools, and having them do things; or, on a dry run, only noting what they would do."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field

from keeprate.errors import KeeprateError

ASK_WITHIN_S = 10.0
NOT_FOUND = 127
"""The exit code for a tool that is not installed, as a shell gives it."""
TOOK_TOO_LONG = 124


class ServiceUnavailableError(KeeprateError):
    """There is no service manager here that keeprate could hand itself to, or none that answers."""

    slug = "no-service-manager"


class ServiceFailedError(KeeprateError):
    """The service manager refused, or the service did not start."""

    slug = "service-failed"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a tool ended with."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Tools:
    """Runs tools with `environment` on top of our own variables. On a dry run `do` only notes what it would run."""

    dry_run: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    """What `do` has run, or would have."""

    def ask(self, *command: str, timeout_s: float = ASK_WITHIN_S) -> Ran:
        """Run a tool that changes nothing; never raises."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8", **self.environment},
            )
        except OSError as error:
            return Ran(NOT_FOUND, "", f"{command[0]}: {error.strerror}")
        except subprocess.TimeoutExpired:
            return Ran(TOOK_TOO_LONG, "", f"{command[0]} has not answered within {timeout_s:.0f} s")
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def do(self, *command: str, timeout_s: float = 60.0, may_fail: bool = False) -> Ran:
        """Run a tool that changes something.

        Raises:
            ServiceFailedError: it refused, and that was not to be expected.
        """
        self.commands.append(command)
        if self.dry_run:
            return Ran(0, "", "")
        ran = self.ask(*command, timeout_s=timeout_s)
        if ran.code != 0 and not may_fail:
            said = " ".join((ran.err or ran.out).split())
            raise ServiceFailedError(
                f"`{' '.join(command)}` failed: {said or f'exit code {ran.code}'}.",
                advice="`keeprate service status` says how things stand, `keeprate service logs` what it said itself.",
            )
        return ran
