"""The command line. One module a group of commands; each imports what it needs inside, so `--help` stays quick."""

from keeprate.cli.main import main

__all__ = ["main"]
