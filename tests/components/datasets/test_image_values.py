"""The values of one image file: as they are, brought to 8 bits rightly, or refused by name."""

from pathlib import Path

import numpy as np
import pytest
from helpers.image_folders import fill, load
from helpers.wide_images import to_png, to_pnm, to_tiff
from PIL import Image

from lrdecay.components.datasets.image_file import UnreadableError, read_image
from lrdecay.core.errors import InputError

SIDE = 6
CUT = (
    "it has 16 bits in each of several channels, of which 8 would be lost; save it with 8 bits, or "
    "in grey without transparency"
)


def values(channels: int, highest: int = 65_535) -> np.ndarray:
    """Pixels (SIDE, SIDE, channels) from 0 to the highest value."""
    pixels = np.linspace(0, highest, SIDE * SIDE * channels).astype(np.uint16)
    return pixels.reshape(SIDE, SIDE, channels)


def read(folder: Path, name: str, content: bytes, channels: int = 3) -> np.ndarray:
    (folder / name).write_bytes(content)
    return read_image(str(folder / name), str(folder), channels, None).pixels


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("colour.png", to_png(values(3))),
        ("ten bits.png", to_png(values(3, 1023))),
        ("alpha.png", to_png(values(4))),
        ("grey with alpha.png", to_png(values(2))),
        ("colour.tif", to_tiff(values(3), photometric=2)),
        ("deflated.tif", to_tiff(values(3), photometric=2, deflate=True)),
        ("four.tiff", to_tiff(values(4), photometric=2)),
        ("cmyk.tiff", to_tiff(values(4), photometric=5)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_in_several_channels_are_refused(tmp_path, name, content, channels):
    """Pillow reads the upper 8 alone: of an image that uses 10 of them the values 0 to 3."""
    with pytest.raises(UnreadableError) as caught:
        read(tmp_path, name, content, channels)
    assert str(caught.value) == CUT


def test_such_an_image_is_named_with_its_folder(tmp_path):
    fill(tmp_path)
    (tmp_path / "cat" / "deep.png").write_bytes(to_png(values(3)))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(
        f"{tmp_path / 'cat' / 'deep.png'}: not a readable image ({CUT}); give one BMP, JPEG"
    )


def test_a_ppm_is_read_by_the_highest_value_that_it_names(tmp_path):
    for highest in (1023, 65_535):
        pixels = values(3, highest)
        found = read(tmp_path, f"{highest}.ppm", to_pnm(pixels, highest))
        assert found.tolist() == np.round(pixels * (255 / highest)).tolist()


def test_grey_of_16_bits_keeps_every_value(tmp_path):
    pixels = values(1)
    for name, content in (
        ("a.png", to_png(pixels)),
        ("b.tif", to_tiff(pixels, photometric=1)),
        ("c.tif", to_tiff(pixels, photometric=1, deflate=True)),
        ("d.pgm", to_pnm(pixels)),
    ):
        found = read(tmp_path, name, content)
        assert (found.dtype, found.tolist()) == (np.uint16, pixels[..., 0].tolist())


def test_grey_of_16_bits_with_a_transparent_value_is_refused_where_it_occurs(tmp_path):
    pixels = values(1) | 1
    there, absent = int(pixels[2, 3, 0]), int(pixels[2, 3, 0]) - 1
    with pytest.raises(UnreadableError) as caught:
        read(tmp_path, "a.png", to_png(pixels, transparent=there))
    assert str(caught.value) == "it has 16 bits and is transparent in places; save it with 8"
    found = read(tmp_path, "b.png", to_png(pixels, transparent=absent))
    assert found.tolist() == pixels[..., 0].tolist()


def test_a_tiff_of_16_bits_on_which_0_is_white_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match="16 bits and 0 is white; save it with 0 as black"):
        read(tmp_path, "a.tif", to_tiff(values(1), photometric=0))


@pytest.mark.parametrize("colours", [1, 3])
def test_a_palette_with_a_transparent_colour_stands_on_white(tmp_path, colours):
    image = Image.new("P", (SIDE, SIDE), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(0, (0, 0, 3, SIDE))
    image.save(tmp_path / "p.png", transparency=0)
    found = read_image(str(tmp_path / "p.png"), str(tmp_path), colours, None)
    seen = {1: ([255], [124]), 3: ([255] * 3, [200, 100, 50])}[colours]  # 0.299 R + 0.587 G + ...
    assert found.composed
    assert found.pixels.reshape(SIDE, SIDE, colours)[0, [0, 5]].tolist() == list(seen)


def test_a_bitmap_of_16_bits_for_three_colours_is_none_of_16_bits_each(tmp_path):
    """5 bits for red and blue, 6 for green."""
    head = b"BM" + (54 + 12 + 16).to_bytes(4, "little") + bytes(4) + (66).to_bytes(4, "little")
    info = (40).to_bytes(4, "little") + (2).to_bytes(4, "little") + (2).to_bytes(4, "little")
    info += (1).to_bytes(2, "little") + (16).to_bytes(2, "little") + (3).to_bytes(4, "little")
    info += bytes(20)
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xF800, 0x07E0, 0x001F))
    pixels = b"".join(value.to_bytes(2, "little") for value in (0xF800, 0x07E0, 0x001F, 0xFFFF))
    found = read(tmp_path, "a.bmp", head + info + masks + pixels)
    assert found.tolist() == [
        [[0, 0, 255], [255, 255, 255]],
        [[255, 0, 0], [0, 255, 0]],
    ]
