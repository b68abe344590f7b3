"""Image files of many kinds, as Pillow writes them, or byte for byte where it has no writer."""

import io
import struct

import numpy as np
from PIL import Image

SIZE = (53, 37)  # width, height


def photo(mode="RGB"):
    """Returns an image that every encoder can write: gradients."""
    ramp = np.add.outer(np.arange(SIZE[1]), np.arange(SIZE[0])) * 2
    return Image.fromarray(np.stack([ramp, 255 - ramp, ramp // 2], axis=-1).astype("uint8")).convert(mode)


def transparent():
    """Returns an image whose pixels are more or less transparent."""
    image = photo("RGBA")
    image.putalpha(photo("L"))
    return image


def encoded(kind, mode="RGB", image=None, **options):
    """Returns an image, or `photo(mode)`, as a file."""
    file = io.BytesIO()
    (image or photo(mode)).save(file, kind, **options)
    return file.getvalue()


def with_orientation(kind, orientation, byte_order="<", image=None, **options):
    """Returns an image, or `photo()`, as a file with EXIF's orientation, in Intel's ("<") or Motorola's byte order."""
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F], exif[0x0112] = "a camera", orientation
    return encoded(kind, image=image, exif=exif.tobytes(), **options)


def bitmap(bits, palette=b"", header=40, compression=0, masks=(), from_top=False, seed=0):
    """Returns a BMP of random bytes."""
    width, height = SIZE
    stride = (width * bits + 31) // 32 * 4
    content = np.random.default_rng(seed).integers(0, 256, stride * height, "uint8").tobytes()
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        stated = -height if from_top else height
        info = struct.pack("<IiiHHIIiiII", header, width, stated, 1, bits, compression, len(content), 0, 0, 0, 0)
    info = (info + struct.pack(f"<{len(masks)}I", *masks)).ljust(header, b"\0")
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(content), 0, 0, start) + info + palette + content


def sixteen_bits():
    """Returns a 16-bit grayscale PNG."""
    return encoded("PNG", image=Image.fromarray(np.asarray(photo("L")).astype("uint16") * 257))


def gif(mode="P", **options):
    """Returns an animation of three frames."""
    return encoded("GIF", mode, save_all=True, append_images=[photo().rotate(180)] * 2, **options)


def small_frame():
    """Returns a GIF whose first frame is smaller than the image."""
    content = bytearray(encoded("GIF"))
    content[6:10] = struct.pack("<HH", SIZE[0] + 5, SIZE[1] + 5)
    return bytes(content)


PALETTE = np.random.default_rng(1).integers(0, 256, (256, 4), "uint8")
FIELDS_565, FIELDS_XBGR = (0xF800, 0x7E0, 0x1F), (0xFF000000, 0xFF0000, 0xFF00)
READABLE = {
    "JPEG": encoded("JPEG", quality=95),
    "grayscale JPEG": encoded("JPEG", "L", quality=95),
    "CMYK JPEG": encoded("JPEG", "CMYK", quality=95),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "PNG": encoded("PNG"),
    "RGBA PNG": encoded("PNG", "RGBA"),
    "palette PNG": encoded("PNG", "P"),
    "grayscale PNG": encoded("PNG", "L"),
    "grayscale PNG with alpha": encoded("PNG", "LA"),
    "black and white PNG": encoded("PNG", "1"),
    "GIF": encoded("GIF"),
    "animated GIF": gif(),
    "GIF with a transparent color": gif(transparency=3),
    "WebP": encoded("WEBP"),
    "lossless WebP": encoded("WEBP", lossless=True),
    "RGBA WebP": encoded("WEBP", "RGBA", lossless=True),
    "BMP": encoded("BMP"),
    "palette BMP": encoded("BMP", "P"),
    "grayscale BMP": encoded("BMP", "L"),
    "black and white BMP": encoded("BMP", "1"),
    "32-bit BMP": encoded("BMP", "RGBA"),
    "BMP from top to bottom": bitmap(24, from_top=True),
    "palette BMP from top to bottom": bitmap(8, PALETTE.tobytes(), from_top=True),
    "4-bit BMP": bitmap(4, PALETTE[:16].tobytes()),
    "1-bit BMP of two colors": bitmap(1, PALETTE[:2].tobytes()),
    "OS/2's palette BMP": bitmap(8, PALETTE[:, :3].tobytes(), header=12),
    "OS/2's BMP": bitmap(24, header=12),
    "16-bit BMP": bitmap(16),
    "16-bit BMP with six bits of green": bitmap(16, compression=3, masks=FIELDS_565, header=56),
    "32-bit BMP with masks": bitmap(32, compression=3, masks=FIELDS_XBGR, header=108),
}
_NO_FORMAT = "it cannot be decoded as JPEG, PNG, BMP, GIF or WebP"
REFUSED = {  # the files, and why
    "it is empty": b"",
    _NO_FORMAT: b"no image",
    "it is TIFF, not JPEG, PNG, BMP, GIF or WebP": encoded("TIFF"),
    "it is an icon, not JPEG, PNG, BMP, GIF or WebP": encoded("ICO"),
    "it is a PDF file, not JPEG, PNG, BMP, GIF or WebP": encoded("PDF"),
    "it is JPEG XL, not JPEG, PNG, BMP, GIF or WebP": b"\xff\x0a\x00\x00",
    "it is HEIC, not JPEG, PNG, BMP, GIF or WebP": b"\0\0\0\x18ftypheic\0\0\0\0",
    "it is text, not JPEG, PNG, BMP, GIF or WebP": b"<html>404</html>",
    "it is a pointer of Git LFS (run git lfs pull), not JPEG, PNG, BMP, GIF or WebP": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"
    ),
    "it is a 16-bit grayscale PNG, which programs scale differently: save it with 8 bits": sixteen_bits(),
    "it is a GIF whose first frame does not fill the image: save it as PNG": small_frame(),
    "it is an animated WebP: save its first frame as PNG": encoded(
        "WEBP", image=transparent(), save_all=True, append_images=[transparent().rotate(180)] * 2
    ),
    "it is a run-length encoded BMP: save it as PNG": bitmap(8, PALETTE.tobytes(), compression=1),
    "it is a BMP of a rare kind: save it as PNG": bitmap(16, compression=3, masks=(0xF00, 0xF0, 0xF), header=56),
    "it is a BMP that is cut off or damaged": READABLE["palette BMP"][:-9],
}
