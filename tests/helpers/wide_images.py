"""Image files of 16 bits in every channel, which Pillow reads and does not write."""

import struct
import zlib

import numpy as np

_PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels


def to_png(pixels: np.ndarray, transparent: int | None = None) -> bytes:
    """Return pixels (height, width, channels) of 16 bits as a PNG, without filters; grey ones may
    have a value that is transparent."""
    height, width, channels = pixels.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOURS[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    clear = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    chunks = chunk(b"IHDR", head) + clear + chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


def to_tiff(pixels: np.ndarray, photometric: int, deflate: bool = False) -> bytes:
    """Return such pixels as a TIFF of one strip; of four channels the last is no alpha unless it is
    that of CMYK (photometric 5)."""
    height, width, channels = pixels.shape
    strip = pixels.astype("<u2").tobytes()
    strip = zlib.compress(strip) if deflate else strip
    bits = struct.pack(f"<{channels}H", *[16] * channels)
    at_bits = 8 + len(strip)
    inline = int.from_bytes(bits, "little") if channels <= 2 else at_bits
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, inline),
        (259, 3, 1, 8 if deflate else 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(strip)),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
    start = at_bits + len(bits)
    return b"II*\0" + struct.pack("<I", start) + strip + bits + directory + b"\0" * 4


def to_pnm(pixels: np.ndarray, highest: int = 65_535) -> bytes:
    """Return such pixels, in grey or RGB, as a PGM or PPM that names its highest value."""
    height, width, channels = pixels.shape
    kind = {1: "P5", 3: "P6"}[channels]
    return f"{kind} {width} {height} {highest}\n".encode() + pixels.astype(">u2").tobytes()
