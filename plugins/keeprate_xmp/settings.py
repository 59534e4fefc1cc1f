"""The keys of `[library.marks.xmp]` in the config."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class XmpSettings:
    """What the XMP photo manager writes, and where."""

    mode: Literal["sidecar", "embed"] = field(
        default="sidecar",
        metadata={
            "help": "`sidecar` writes IMG.jpg.xmp beside the photo and never touches the photo; `embed` writes into"
            " JPEGs (for viewers that ignore sidecars) and sidecars for everything else"
        },
    )
    stars: bool = field(default=False, metadata={"help": "write 1 to 5 stars where the user has rated nothing"})
    label: bool = field(
        default=False,
        metadata={"help": "write the colour label Green (best tenth) or Red (worst quarter) where there is none"},
    )
    keywords: bool = field(
        default=False, metadata={"help": "write a keyword such as Score|9 into photos without keywords"}
    )
    keyword_root: str = field(default="Score", metadata={"help": "the parent of those keywords"})
    best_of_burst: bool = field(
        default=False,
        metadata={
            "help": "write a keyword into the best photo of each burst and each group of near-duplicates that has no"
            " keywords"
        },
    )
    best_of_burst_keyword: str = field(default="Best of burst", metadata={"help": "that keyword"})
    sidecar_name: Literal["extension", "adobe"] = field(
        default="extension",
        metadata={"help": "name of a new sidecar: `extension` is IMG.cr3.xmp; `adobe` is IMG.xmp, for RAW files only"},
    )
    minimum_change: float = field(
        default=0.01,
        metadata={"help": "a score that moved by less is not written again if nothing visible changes"},
    )
    skip_darktable: bool = field(default=True, metadata={"help": "leave sidecars with a darktable history alone"})
    minimum_age_s: float = field(
        default=5.0, metadata={"help": "files that changed within so many seconds are left for the next time"}
    )
