"""The report as a table in the terminal, as JSON, and as one HTML page with its pictures in it."""

import base64
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment
from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cobrowse.check.findings import Code, Grade, PageReport, Report, printable

# In the table's cells, where there is little room.
_SHORT: Final = {Grade.FINE: "ok", Grade.DEGRADED: "weak", Grade.BROKEN: "bad"}
WORDS: Final = {Grade.FINE: "fine", Grade.DEGRADED: "degraded", Grade.BROKEN: "broken"}
_COLOURS: Final = {Grade.FINE: "green", Grade.DEGRADED: "yellow", Grade.BROKEN: "red"}
# Columns of the table: a heading, and the findings that it sums up.
_COLUMNS: Final[dict[str, tuple[Code, ...]]] = {
    "script": ("script",),
    "page": ("bytes", "dom", "mode", "charset", "status", "load"),
    "console": ("console", "violations", "speed"),
    "frames": ("frames",),
    "agent": ("session", "files"),
    "fields": ("fields",),
}
_PATH_WIDTH: Final = 22


def to_json(report: Report) -> bytes:
    """The report without its pictures; grades as words."""
    built = msgspec.to_builtins(report)
    built["grade"] = WORDS[report.grade]
    for page, given in zip(built["pages"], report.pages, strict=True):
        del page["pictures"]
        page["grade"] = WORDS[given.grade]
        for finding in page["findings"]:
            finding["grade"] = WORDS[finding["grade"]]
    return msgspec.json.format(msgspec.json.encode(built), indent=2) + b"\n"


def to_html(report: Report) -> str:
    """One page that needs nothing else."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"picture": _picture, "word": WORDS.__getitem__, "ms": _ms, "kb": _kb}
    template = files("cobrowse.check").joinpath("report.html").read_text("utf-8")
    rows = {"without": "without the proxy", "through": "through it"}
    return environment.from_string(template).render(report=report, rows=rows, path=_path)


def _picture(webp: bytes) -> str:
    """A picture as an address that holds it."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


def show(report: Report, console: Console) -> None:
    """The table, and below it what there is to say of each page."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    # Long addresses are cut here; below the table they are whole.
    table.add_column("page", overflow="ellipsis", no_wrap=True, max_width=_PATH_WIDTH)
    for heading in ("", *_COLUMNS):
        table.add_column(heading, no_wrap=True, min_width=max(len(heading), 8 * (not heading)))
    table.add_column("paint, ms", no_wrap=True, justify="right", min_width=9)
    for page in report.pages:
        cells = (_cell(page, codes) for codes in _COLUMNS.values())
        table.add_row(
            Text(printable(_path(page.url))), _graded(page.grade), *cells, Text(_paints(page))
        )
    console.print(table)
    for page in report.pages:
        told = list(_told(page))
        if told:
            console.print(Text(printable(page.url), style="bold"))
            console.print(Padding(Group(*told), (0, 0, 1, 2)))
    console.print(Text("The site is ").append_text(_graded(report.grade)).append("."))


def _cell(page: PageReport, codes: Sequence[Code]) -> Text:
    grades = [finding.grade for code in codes for finding in page.of(code)]
    if not grades:
        return Text("-", style="dim")
    return Text(_SHORT[max(grades)], style=_COLOURS[max(grades)])


def _graded(grade: Grade) -> Text:
    return Text(WORDS[grade], style=_COLOURS[grade])


def _told(page: PageReport) -> Iterator[Text]:
    """What somebody must know or can do; what is as it should be stands in the table."""
    for finding in sorted(page.findings, key=lambda found: -found.grade):
        if finding.grade or finding.proposal or finding.code == "policy":
            line = Text(f"{finding.code}: ", style=_COLOURS[finding.grade])
            yield line.append(printable(finding.text), style="default")
            for detail in finding.details:
                yield Text(f"  {printable(detail)}", style="dim")
            for proposed in finding.proposal:
                yield Text(f"  {printable(proposed)}", style="cyan")


def _paints(page: PageReport) -> str:
    if page.without is None or page.through is None:
        return "-"
    before, after = page.without.first_paint_ms, page.through.first_paint_ms
    return "-" if before is None or after is None else f"{before:,.0f} > {after:,.0f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"


def _kb(size: int) -> str:
    return f"{size / 1000:,.1f} kB"


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
