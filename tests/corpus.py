"""Real pages: the HTML that installed packages ship. Read where it lies, never copied here."""

import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where packages of Python, npm and the system keep documentation, admin sites and test pages.
PLACES = (
    *(Path(folder) for folder in site.getsitepackages()),
    ROOT / "web" / "node_modules",
    Path(sysconfig.get_paths()["stdlib"]),
    Path(sys.base_prefix) / "share" / "doc",
    Path("/usr/share"),
    Path("/usr/lib/python3"),
)
_MAX_FILE_BYTES = 2 * 1024 * 1024


def pages(at_most: int) -> Iterator[tuple[Path, bytes]]:
    """Different HTML files, in the same order each time.

    Args: at_most: how many; each place gives its share first.
    """
    share = max(at_most // len(PLACES), 1)
    rest: list[Path] = []
    seen: set[bytes] = set()
    given = 0
    for place in (*PLACES, None):
        found = rest if place is None else sorted(place.rglob("*.htm*")) if place.is_dir() else []
        taken = 0
        for path in found:
            if given == at_most or (place is not None and taken == share):
                rest.append(path)
                continue
            content = _content(path)
            if content is None or content in seen:
                continue
            seen.add(content)
            taken, given = taken + 1, given + 1
            yield path, content


def _content(path: Path) -> bytes | None:
    if path.suffix not in (".html", ".htm") or not path.is_file():
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if 0 < len(content) <= _MAX_FILE_BYTES else None
