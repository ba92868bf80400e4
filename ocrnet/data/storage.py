"""The storage of a pixel in a file, read from the file's header: a decoder reports only its result.

Pillow inverts WhiteIsZero files, stretches gray samples of 2 and 4 bits to 0..255, drops bands beyond
red, green and blue, and reads signed bytes as unsigned ones. Its mode does not show this.

`LABEL_MAPS` and `PICTURES` are closed lists: all other kinds are refused, and the contract tests compare a file of
each kind with another reader.
"""

import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

Alpha = Literal["none", "channel", "premultiplied", "key"]

# Formats that are opened, recognised by the content, not by the name.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")  # Pillow's other readers may run a program

_SMALL = ("uint1", "uint2", "uint4", "uint8")
LABEL_MAPS: dict[str, frozenset[str]] = {
    "PNG": frozenset({
        *(f"gray {sample}" for sample in (*_SMALL, "uint16")),
        *(f"palette {sample}" for sample in _SMALL),
        "RGB uint8",
    }),
    "BMP": frozenset({"palette uint1", "palette uint4", "palette uint8", "RGB uint8"}),
    "TIFF": frozenset({
        *(f"gray {sample}" for sample in (*_SMALL, "uint12", "uint16", "uint32")),
        *(f"gray {sample}" for sample in ("int8", "int16", "int32", "float32")),
        *(f"palette {sample}" for sample in _SMALL),
        "RGB uint8",
    }),
    "WEBP": frozenset({"RGB uint8"}),
}  # fmt: skip
PICTURES: dict[str, frozenset[str]] = {
    "PNG": LABEL_MAPS["PNG"] | {"RGB uint16"},
    "BMP": LABEL_MAPS["BMP"] | {"RGB uint5"},
    "TIFF": LABEL_MAPS["TIFF"] | {"RGB uint16", "YCbCr uint8"},
    "WEBP": LABEL_MAPS["WEBP"],
    "JPEG": frozenset({"gray uint8", "RGB uint8"}),
    "MPO": frozenset({"gray uint8", "RGB uint8"}),
}

_PNG_COLOURS = {0: "gray", 2: "RGB", 3: "palette", 4: "gray", 6: "RGB"}
_PHOTOMETRIC = {
    0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "LAB",
}  # fmt: skip
_OWN_BANDS = {"RGB": 3, "YCbCr": 3, "LAB": 3, "CMYK": 4}  # others have one band
_SAMPLE_FORMATS = {1: "uint", 2: "int", 3: "float"}
# None, CCITT, LZW, deflate (both), PackBits, LZMA and ZSTD keep every value.
_LOSSLESS_TIFF = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000}
_ALPHA_SAMPLES: dict[int, Alpha] = {1: "premultiplied", 2: "channel"}


@dataclass(frozen=True)
class Storage:
    """The storage of a pixel in a file.

    Args:
        colours: One of gray, palette, RGB, CMYK, YCbCr and LAB.
        sample: Type and bits of one sample, such as uint8 or float32.
        bands: Number of samples per pixel.
        extra: Number of bands that are neither colours nor alpha.
        alpha: Kind of transparency; a key is one transparent value.
        white_is_zero: Whether the smallest value is white, as in TIFF with photometric 0.
        lossy: Whether compression changes values.
        swapped: Whether Pillow reads the bytes of a sample in the wrong order.
        misread: Known fault of a decoder for such files; empty if there is none.
    """

    colours: str
    sample: str
    bands: int
    extra: int = 0
    alpha: Alpha = "none"
    white_is_zero: bool = False
    lossy: bool = False
    swapped: bool = False
    misread: str = ""

    @property
    def kind(self) -> str:
        """The colours and the sample, such as "gray uint8"."""
        return f"{self.colours} {self.sample}"

    @property
    def bits(self) -> int:
        """The bits of one sample."""
        return int("".join(filter(str.isdigit, self.sample)))


def storage_of(path: Path, image: Image.Image) -> Storage:
    """Return the storage of a pixel in an opened file."""
    read = {"PNG": _png, "BMP": _bmp, "TIFF": _tiff, "WEBP": _webp}.get(str(image.format), _jpeg)
    return read(path, image)


def _png(path: Path, image: Image.Image) -> Storage:
    with path.open("rb") as file:
        bits, colour_type = file.read(26)[24:26]
    colours = _PNG_COLOURS[colour_type]
    alpha: Alpha = "channel" if colour_type in {4, 6} else "none"
    if alpha == "none" and "transparency" in image.info:
        alpha = "key"
    bands = _OWN_BANDS.get(colours, 1) + (alpha == "channel")
    return Storage(colours, f"uint{bits}", bands, alpha=alpha)


def _jpeg(path: Path, image: Image.Image) -> Storage:
    colours = {"L": "gray", "RGB": "RGB"}.get(image.mode, image.mode)
    return Storage(colours, "uint8", len(image.getbands()), lossy=True)


def _bmp(path: Path, image: Image.Image) -> Storage:
    with path.open("rb") as file:
        head = file.read(34)
    old = struct.unpack_from("<I", head, 14)[0] == 12
    bits = struct.unpack_from("<H", head, 24 if old else 28)[0]
    if bits > 8:
        alpha: Alpha = "channel" if image.mode == "RGBA" else "none"
        sample = "uint5" if bits == 16 else "uint8"
        return Storage("RGB", sample, 3 + (alpha == "channel"), alpha=alpha)
    packed = not old and struct.unpack_from("<I", head, 30)[0] in {1, 2}  # RLE8, RLE4
    # Pillow assumes 1-bit or 8-bit rows for such a palette, whatever the rows are.
    wrong = (bits > 1 and image.mode == "1") or (bits == 4 and image.mode == "L")
    misread = (
        f"BMP of {bits} bits with a gray palette of few entries" if wrong and not packed else ""
    )
    return Storage("palette", f"uint{bits}", 1, misread=misread)


def _webp(path: Path, image: Image.Image) -> Storage:
    alpha: Alpha = "channel" if image.mode == "RGBA" else "none"
    return Storage(
        "RGB", "uint8", len(image.getbands()), alpha=alpha, lossy=b"VP8L" not in _chunks(path)
    )


def _chunks(path: Path) -> set[bytes]:
    """Return the names of the chunks of a RIFF file."""
    names: set[bytes] = set()
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            names.add(head[:4])
            size = struct.unpack("<I", head[4:])[0]
            file.seek(size + size % 2, 1)
    return names


def _tiff(path: Path, image: Image.Image) -> Storage:
    assert isinstance(image, TiffImageFile)
    tags: Any = image.tag_v2
    photometric = tags.get(262, 0)
    colours = _PHOTOMETRIC.get(photometric, f"photometric {photometric}")
    bits = max(tags.get(258, (1,)))
    sample = _SAMPLE_FORMATS.get(max(tags.get(339, (1,))), "unknown")
    bands = tags.get(277, 1)
    beyond = tags.get(338, ())
    alpha: Alpha = next(
        (_ALPHA_SAMPLES[value] for value in beyond if value in _ALPHA_SAMPLES), "none"
    )
    own = _OWN_BANDS.get(colours, 1)
    # libtiff returns samples in the byte order of the machine, but Pillow assumes the byte order of the file.
    swapped = tags.prefix == b"MM" and tags.get(259, 1) != 1 and sys.byteorder == "little"
    # OpenCV reads 16-bit planes as one plane; Pillow reads rows of small samples in a plane as rows of bytes.
    split = tags.get(284, 1) == 2 and (bits > 8 if own > 1 else bits < 8)
    return Storage(
        colours,
        f"{sample}{bits}",
        bands,
        extra=max(bands - own - (alpha != "none"), 0),
        alpha=alpha,
        white_is_zero=photometric == 0,
        lossy=tags.get(259, 1) not in _LOSSLESS_TIFF,
        swapped=swapped and f"{sample}{bits}" in {"int16", "int32", "float32"},
        misread=f"TIFF of {bits} bits in separate planes" if split else "",
    )
