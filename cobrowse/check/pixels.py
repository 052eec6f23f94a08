"""How unlike two pictures look. Pure."""

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

_WIDTH: Final = 960
_QUALITY: Final = 80
# What moves is elsewhere in the moment between two pictures. Odd: the side of a square, in pixels.
_AROUND: Final = 31
# Two pixels are alike when their brightness differs by no more, of 255.
CLEARLY: Final = 48


def difference(
    page: bytes,
    copy: bytes,
    masked: Sequence[Sequence[float]] = (),
    width: float = 0,
    moving: Image.Image | None = None,
) -> float:
    """How unlike two pictures look: the share of pixels that differ clearly, 0 to 1.

    Args: masked: places in the copy that count as alike: left, top, width, height. width: of the
        whole that these are measured in. moving: white where pixels count as alike, too.
    """
    ours = Image.open(io.BytesIO(page)).convert("L")
    unlike = _unlike(ours, Image.open(io.BytesIO(copy)).convert("L").resize(ours.size))
    scale = ours.width / width if width else 1.0
    draw = ImageDraw.Draw(unlike)
    for left, top, wide, high in masked:
        box = [(left - 2), (top - 2), (left + wide + 2), (top + high + 2)]
        draw.rectangle([value * scale for value in box], fill=0)
    if moving:
        unlike.paste(0, mask=moving)
    return share(unlike)


def movement(pictures: Sequence[bytes]) -> Image.Image:
    """White where pictures of a page, one after the other, differ clearly, and around there."""
    first, *others = (Image.open(io.BytesIO(picture)).convert("L") for picture in pictures)
    found = Image.new("L", first.size)
    for one, other in pairwise([first, *others]):
        found = ImageChops.lighter(found, _unlike(one, other))
    return found.filter(ImageFilter.MaxFilter(_AROUND)) if found.getbbox() else found


def share(picture: Image.Image) -> float:
    """Of white pixels, 0 to 1."""
    return picture.histogram()[255] / (picture.width * picture.height)


def _unlike(one: Image.Image, other: Image.Image) -> Image.Image:
    return ImageChops.difference(one, other).point(lambda value: 255 if value > CLEARLY else 0)


def ink(picture: bytes) -> float:
    """The share of pixels that are clearly not of the commonest brightness."""
    counts = Image.open(io.BytesIO(picture)).convert("L").histogram()
    paper = counts.index(max(counts))
    blank = sum(counts[max(0, paper - CLEARLY) : paper + CLEARLY + 1])
    return 1 - blank / sum(counts)


def shrunk(picture: bytes) -> bytes:
    """A picture as WebP, small enough for those of many pages in one report. b"" stays b""."""
    if not picture:
        return b""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > _WIDTH:
        image = image.resize((_WIDTH, max(1, image.height * _WIDTH // image.width)))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY)
    return out.getvalue()
