"""Tell pictures from other files: by suffix while walking, by their first bytes before reading.

The suffix decides whether a file is looked at at all; the bytes decide how it is read, since suffixes lie.
"""

from __future__ import annotations

from enum import StrEnum

RAW_SUFFIXES = frozenset(
    {".3fr", ".ari", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc", ".mef"}
    | {".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)
"""Suffixes of camera RAW files, lower case, with the dot."""

SIDECAR_SUFFIX = ".xmp"
PICTURE_SUFFIXES = (
    RAW_SUFFIXES
    | {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".dib"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".qoi"}
    | {".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs", ".jp2", ".j2k", ".jpx", ".jxl"}
)
"""Suffixes of all files that are looked at, lower case, with the dot."""

SNIFF_BYTES = 64
"""How many bytes from the start of a file `sniff` wants to see."""


class Format(StrEnum):
    """How a picture is stored, as its first bytes tell it."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    TIFF = "tiff"
    """Also most camera RAW formats (NEF, ARW, DNG, PEF, SRW …), whose first bytes are those of a TIFF."""
    GIF = "gif"
    BMP = "bmp"
    NETPBM = "netpbm"
    QOI = "qoi"
    HEIF = "heif"
    AVIF = "avif"
    JPEG_2000 = "jpeg2000"
    JPEG_XL = "jpegxl"
    CR2 = "cr2"
    CR3 = "cr3"
    RAF = "raf"
    RW2 = "rw2"
    ORF = "orf"
    CRW = "crw"
    MRW = "mrw"
    X3F = "x3f"
    UNKNOWN = "unknown"


RAW_FORMATS = frozenset(
    {Format.CR2, Format.CR3, Format.RAF, Format.RW2, Format.ORF, Format.CRW, Format.MRW, Format.X3F}
)
"""Formats that only cameras write. A RAW file may also sniff as TIFF: then its suffix decides."""

_MAGIC = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"II+\0\x08\0\0\0", Format.TIFF),  # BigTIFF
    (b"MM\0+\0\x08\0\0", Format.TIFF),
    (b"IIU\0", Format.RW2),
    (b"IIRO", Format.ORF),
    (b"IIRS", Format.ORF),
    (b"MMOR", Format.ORF),
    (b"FUJIFILMCCD-RAW ", Format.RAF),
    (b"\0MRM", Format.MRW),
    (b"FOVb", Format.X3F),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Format.JPEG_2000),
    (b"\xff\x4f\xff\x51", Format.JPEG_2000),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Format.JPEG_XL),
    (b"\xff\x0a", Format.JPEG_XL),
    (b"qoif", Format.QOI),
    *((b"P%d" % kind, Format.NETPBM) for kind in range(1, 7)),
    (b"BM", Format.BMP),
)
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def is_picture(name: str) -> bool:
    """Whether a file of this name (base name or path) is looked at. Case does not matter; nothing is opened."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in PICTURE_SUFFIXES


def is_sidecar(name: str) -> bool:
    """Whether a file of this name (base name or path) may hold what was said about a picture beside it."""
    return name[-4:].lower() == SIDECAR_SUFFIX


def sniff(head: bytes) -> Format:
    """The format that the first bytes of a file announce.

    `head` holds the first `SNIFF_BYTES` bytes, or the whole of a shorter file. Never raises: what is not
    recognised is `Format.UNKNOWN`.
    """
    if head[:4] == b"RIFF":
        return Format.WEBP if head[8:12] == b"WEBP" else Format.UNKNOWN
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    if head[8:10] == b"CR" and head[:4] in (b"II*\0", b"MM\0*"):
        return Format.CR2
    if head[6:14] == b"HEAPCCDR":
        return Format.CRW
    for magic, picture_format in _MAGIC:
        if head.startswith(magic):
            return picture_format
    return Format.UNKNOWN


def _sniff_brands(head: bytes) -> Format:
    """Brands of an ISO base media file (ISO/IEC 14496-12 §4.3): the major one, then the compatible ones."""
    end = min(len(head), int.from_bytes(head[:4], "big"))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if major == b"crx ":
        return Format.CR3
    if major == b"jxl ":
        return Format.JPEG_XL
    # An AVIF may call itself mif1 first; a HEIC never lists avif.
    if brands & _AVIF_BRANDS:
        return Format.AVIF
    return Format.HEIF if brands & _HEIF_BRANDS else Format.UNKNOWN
