"""A photo manager that writes scores as XMP: into sidecars, and when asked into JPEGs.

Originals are never touched in the default mode. What the user rated, labelled or tagged stays theirs.
"""

from keeprate_xmp.manager import XmpManager
from keeprate_xmp.settings import XmpSettings

__all__ = ["XmpManager", "XmpSettings"]
