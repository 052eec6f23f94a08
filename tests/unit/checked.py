"""What a browser might have shown to a check."""

import io
from typing import Any

from PIL import Image

from cobrowse.check.observed import Load, Seen
from cobrowse.check.passages import Passage

TREE = [("", "#document"), ("/html", "HTML "), ("/html/body", "BODY ")]


def load(**values: Any) -> Load:
    """A page without anything to say."""
    seen = {
        "media_type": "text/html", "mode": "standards", "charset": "UTF-8", "tree": TREE,
        "is_whole": True, "html": "", "first_paint_ms": 100.0, "blocking_ms": 0.0,
        "loaded_ms": 200.0,
    }  # fmt: skip
    seen |= {name: values.pop(name) for name in list(values) if name in seen}
    given = {
        "asked": "http://shop.test/", "url": "http://shop.test/", "status": 200,
        "trees": [seen["tree"]], "frames": [], "complaints": [], "violations": [],
        "transfer_bytes": 1000, "files": {}, "screenshot": b"", "cookies": [],
    }  # fmt: skip
    return Load(**{**given, "seen": Seen(**seen), **values})  # type: ignore[arg-type]


def passage(**values: Any) -> Passage:
    given = {
        "url": "http://shop.test/", "status": 200, "outcome": "spliced", "is_frame": False,
        "before": [], "after": [], "came": "came", "went": "went",
    }  # fmt: skip
    return Passage(**{**given, **values})


def picture(colour: int, box: tuple[int, int, int, int] | None = None) -> bytes:
    image = Image.new("L", (100, 50), 255)
    if box:
        image.paste(colour, box)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
