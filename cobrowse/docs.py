"""The parts of the docs that are made from the code. `python -m cobrowse.docs` prints them."""

import itertools
import json
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args

import msgspec
from prometheus_client.metrics import MetricWrapperBase

from cobrowse import config
from relay import metrics, wire
from relay.errors import Close


def config_table() -> str:
    """Every key of cobrowse.toml as Markdown, by section."""
    lines = []
    for section, keys in itertools.groupby(config.keys(), key=lambda key: key.section):
        title = f"`[{section}]`" if section else "At the top"
        lines += [f"### {title}", "", "| key | default | meaning |", "| --- | --- | --- |"]
        for key in keys:
            shown = json.dumps(key.default) if key.default not in ("", [], {}) else "empty"
            shown = f"`{shown}`" if key.default is not None else "required"
            lines.append(f"| `{key.name}` | {shown} | {key.description} |")
        lines.append("")
    return "\n".join(lines)


def messages_table(union: Any) -> str:
    """Every message of a union of structs, with its fields, as Markdown."""
    lines = ["| type | fields | meaning |", "| --- | --- | --- |"]
    for struct in get_args(union):
        fields = msgspec.structs.fields(struct)
        names = [f"`{f.name}`" if f.required else f"`{f.name}`?" for f in fields]
        meaning = " ".join(textwrap.dedent(struct.__doc__ or "").split())
        tag = struct.__struct_config__.tag
        lines.append(f"| `{tag}` | {', '.join(names)} | {meaning} |".replace("|  |", "| – |"))
    return "\n".join(lines) + "\n"


def closes_table() -> str:
    """Every close code as Markdown."""
    lines = ["| code | meaning | may reconnect | the page shows |", "| --- | --- | --- | --- |"]
    for close in Close:
        retry = "yes" if close.retry else "no"
        lines.append(f"| {int(close)} | {close.meaning} | {retry} | {close.shown} |")
    return "\n".join(lines) + "\n"


def metrics_table() -> str:
    """Every metric of relay and proxy as Markdown."""
    lines = ["| relay's metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for collector in vars(metrics).values():
        if isinstance(collector, MetricWrapperBase):
            [metric] = collector.describe()
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = ", ".join(f"`{label}`" for label in collector._labelnames) or "–"
            lines.append(f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |")
    return "\n".join(lines) + "\n"


# What of docs/wire.md is made from the code, in its order.
WIRE_TABLES: Final[Sequence[tuple[str, Callable[[], str]]]] = (
    ("visitor to relay", lambda: messages_table(wire.FromVisitor)),
    ("relay to visitor", lambda: messages_table(wire.ToVisitor)),
    ("agent to relay", lambda: messages_table(wire.FromAgent)),
    ("relay to agent", lambda: messages_table(wire.ToAgent)),
    ("close codes", closes_table),
)


if __name__ == "__main__":
    if sys.argv[1:] == ["wire"]:
        for name, table in WIRE_TABLES:
            print(f"{name}\n\n{table()}")
    elif sys.argv[1:] == ["metrics"]:
        print(metrics_table())
    else:
        print(config_table())
