"""The parts of the docs that are made from the code. `python -m cobrowse.docs` prints them."""

import itertools
import json

from cobrowse import config


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


if __name__ == "__main__":
    print(config_table())
