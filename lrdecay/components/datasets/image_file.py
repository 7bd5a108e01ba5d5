"""One image file as pixels. Whatever lies in it, no program is started and nothing else is read."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Those that end as an image file must; Pillow knows others that start programs to read them."""
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""EXIF's orientation -> what puts the image upright (CIPA DC-008, 4.6.5)."""
_WITH_ALPHA = ("LA", "PA", "RGBA")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # of TIFF's tags


class UnreadableError(ValueError):
    """A file that is no image, or none of a kind that is read; the message says why."""


@dataclass(frozen=True)
class ReadImage:
    """The pixels of an image and what was done to read it.

    `pixels` are uint8, (height, width) or (height, width, 3); of an image of 16 bits uint16,
    (height, width), as they are. `composed` says that it was transparent in places, and stands on
    white now, `turned` that EXIF had it lie on its side or upside down.
    """

    pixels: np.ndarray[Any, Any]
    composed: bool
    turned: bool


def read_image(path: str, home: str, channels: int, size: int | None) -> ReadImage:
    """Return the image in a file that must lie in the folder `home`, which is no link.

    `channels` is 1 for grey values, 3 for RGB; `size` is the height and width to bring it to, its
    own unless given.

    Raises `UnreadableError` for anything else than one image of 8 bits, or of 16 in grey.
    """
    from PIL import Image

    if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(home):
        raise UnreadableError("a link out of the folder of images")
    if not os.path.isfile(path):  # a pipe would be waited for
        raise UnreadableError("no file, but a link to nothing, a pipe or a device")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as opened:
                frames = getattr(opened, "n_frames", 1)
                if frames > 1 and opened.format != "MPO":  # a photograph with its preview
                    raise ValueError(f"it holds {frames} images, not one")
                _refuse_sideways_tiff(opened)
                _refuse_cut_values(opened)
                opened.load()
                return _to_pixels(opened, channels, size)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableError(f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's readers raise many kinds on a damaged file
        raise UnreadableError(str(error) or type(error).__name__) from error


def _to_pixels(image: Image, channels: int, size: int | None) -> ReadImage:
    from PIL.Image import Resampling, Transpose

    turn = _TURNS.get(_read_orientation(image))
    if turn is not None:
        image = image.transpose(Transpose[turn])
    wide, composed = image.mode[0] in "IF", False
    if wide:
        image = _as_floats(image)
    else:
        image, composed = _compose(image)
        image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Resampling.BILINEAR)
    pixels = np.asarray(image)
    if wide:
        pixels = pixels.round().astype(np.uint16)
    return ReadImage(pixels, composed, turned=turn is not None)


def _refuse_sideways_tiff(opened: ImageFile) -> None:
    """Refuse what Pillow 13 turns before it reads it, so that the pixels are mixed up: a TIFF that
    lies on its side and that libtiff does not decode. Other TIFFs it turns as they are loaded.

    Raises `ValueError` for one.
    """
    mixed_up = any(tile.codec_name != "libtiff" for tile in opened.tile)
    if opened.format == "TIFF" and mixed_up and _read_orientation(opened) > 4:
        raise ValueError("a TIFF without compression that lies on its side; save it upright")


def _refuse_cut_values(opened: ImageFile) -> None:
    """Refuse an image of which Pillow reads other values than it has: of 16 bits in colour or with
    alpha only the upper 8, which leaves little where 10 or 12 are used; and a TIFF of 16 bits on
    which 0 is white upside down.

    A PPM says itself which value is the highest, and Pillow reads it by that.

    Raises `ValueError` for one.
    """
    wide = opened.mode[0] in "IF"
    tags = getattr(opened, "tag_v2", {})
    bits = max(tags.get(_BITS_PER_SAMPLE, (8,)))
    if opened.format == "PNG" and ";16" in str(opened.tile):
        bits = 16
    if bits > 8 and not wide:
        raise ValueError(
            f"it has {bits} bits in each of several channels, of which 8 would be lost; save it "
            f"with 8 bits, or in grey without transparency"
        )
    if wide and tags.get(_PHOTOMETRIC) == 0:
        raise ValueError("its grey values have 16 bits and 0 is white; save it with 0 as black")


def _read_orientation(image: Image) -> int:
    """Return EXIF's orientation; 1, which is upright, where there is none or EXIF is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _as_floats(image: Image) -> Image:
    """Return an image of 16 bits with its grey values as floats, which Pillow resizes well.

    Raises `ValueError` for one whose values take more bits, and for one that is transparent.
    """
    from PIL.Image import fromarray

    values = np.asarray(image)
    if "transparency" in image.info and (values == image.info["transparency"]).any():
        raise ValueError("it has 16 bits and is transparent in places; save it with 8")
    # Pillow reads a PGM of 16 bits as whole numbers of 32
    if image.mode == "F" or values.min() < 0 or values.max() > 65_535:
        raise ValueError("its grey values have 32 bits; save it with 8 or 16")
    return fromarray(values.astype(np.float32))


def _compose(image: Image) -> tuple[Image, bool]:
    """Return an image on white where it is transparent, and whether it was so anywhere."""
    from PIL import Image

    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image, False
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema()[0] == 255:
        return image.convert("RGB"), False
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB"), True
