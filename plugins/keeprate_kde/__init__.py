"""The photo manager `kde`: stars and tags for Gwenview, Dolphin and the rest of KDE.

KDE keeps what a person says about a file in its extended attributes. Neither a photo's content nor its modification
time changes.
"""

from keeprate_kde.manager import KdeManager
from keeprate_kde.settings import KdeSettings

__all__ = ["KdeManager", "KdeSettings"]
