"""The photo manager `finder`: colours and tags for the Finder of macOS.

The Finder shows no stars, but it shows, groups and sorts by tags. They stand in an extended attribute: neither a
photo's content nor its modification time changes. Written from what is known of the format; it has not run on a Mac.
"""

from keeprate_finder.manager import FinderManager
from keeprate_finder.settings import FinderSettings

__all__ = ["FinderManager", "FinderSettings"]
