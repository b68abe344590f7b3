"""The formats of image files: those that are decoded, and those that people take for them."""

from collections.abc import Callable
from typing import NamedTuple

from keras_resnets.images import bmp, gif, jpeg, png, webp


class Format(NamedTuple):
    """A format that is decoded.

    Attributes:
        magic: the first bytes.
        inspect: function from files of any shape to `keras_resnets.images.findings.Findings`.
        decode: function from one file to its image as stored, (H, W, 3) uint8.
        name: bytes that stand behind the first eight.
    """

    magic: bytes
    inspect: Callable
    decode: Callable
    name: bytes = b""


FORMATS = {
    "JPEG": Format(b"\xff\xd8\xff", jpeg.inspect, jpeg.decode),
    "PNG": Format(b"\x89PNG", png.inspect, png.decode),
    "BMP": Format(b"BM", bmp.inspect, bmp.decode),
    "GIF": Format(b"GIF8", gif.inspect, gif.decode),
    "WebP": Format(b"RIFF", webp.inspect, webp.decode, b"WEBP"),
}
JPEG, PNG, BMP, GIF, WEBP = range(len(FORMATS))  # the formats' indices
*_FIRST, _LAST = FORMATS
NAMES = f"{', '.join(_FIRST)} or {_LAST}"
GIT_LFS = b"version https://"  # of pointers in place of files that were not fetched
FOREIGN = (  # the format's name, its first bytes, and where they are
    ("TIFF", b"II*\0", 0),
    ("TIFF", b"MM\0*", 0),
    ("TIFF", b"II+\0", 0),
    ("TIFF", b"MM\0+", 0),
    ("AVIF", b"ftypavi", 4),
    ("HEIC", b"ftyphei", 4),
    ("HEIC", b"ftypmif1", 4),
    ("JPEG 2000", b"\0\0\0\x0cjP", 0),
    ("JPEG 2000", b"\xff\x4f\xff\x51", 0),
    ("JPEG XL", b"\0\0\0\x0cJXL", 0),
    ("JPEG XL", b"\xff\x0a", 0),
    ("an icon", b"\0\0\1\0", 0),
    ("a Photoshop file", b"8BPS", 0),
    ("a PDF file", b"%PDF", 0),
    ("text", b"<", 0),
    ("a pointer of Git LFS (run git lfs pull)", GIT_LFS, 0),
)
