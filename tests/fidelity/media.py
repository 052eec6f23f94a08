"""Images, fonts and sounds for the pages."""

import io
import struct
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

FOLDER: Final = Path(__file__).parent / "files"
# Each letter is a black box, so that what is set in it cannot be taken for any other font.
FONT: Final = (FOLDER / "boxes.ttf").read_bytes()
# A rhombus at U+E001 and U+E002.
ICONS: Final = (FOLDER / "icons.ttf").read_bytes()
# Three seconds: red, blue, lime.
VIDEO: Final = (FOLDER / "colours.webm").read_bytes()


def png(colour: str = "crimson", other: str = "gold", size: tuple[int, int] = (160, 120)) -> bytes:
    """A picture of two colours: a disc on a ground."""
    image = Image.new("RGB", size, other)
    width, height = size
    ImageDraw.Draw(image).ellipse(
        (width // 8, height // 8, width * 3 // 4, height * 3 // 4), colour
    )
    return _bytes(image, "PNG")


def jpeg(colour: str = "navy", size: tuple[int, int] = (160, 120)) -> bytes:
    return _bytes(Image.new("RGB", size, colour), "JPEG")


def _bytes(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def sound() -> bytes:
    """Two seconds of silence as WAV."""
    data = b"\x80" * 16_000
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1,
                       8000, 8000, 1, 8, b"data", len(data))  # fmt: skip
    return head + data


def svg(colour: str = "purple", width: int = 160, height: int = 120) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><symbol id="sign" viewBox="0 0 100 100">'
        f'<circle cx="50" cy="50" r="45" fill="{colour}"/></symbol>'
        f'<rect width="100%" height="100%" fill="{colour}"/></svg>'
    )
