"""The walls of the house: who may import whom, and which modules stay pure."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FORBIDDEN = {
    "proxy_addon": {"relay", "cobrowse"},
    "relay": {"proxy_addon", "cobrowse", "mitmproxy"},
    "cobrowse": set(),
}
# What runs in mitmproxy.
MITMPROXY = (
    "proxy_addon/addon.py",
    *("proxy_addon/mitm/" + name + ".py" for name in ("connections", "flows", "own_paths")),
    "cobrowse/check/recording.py",
)
IMPURE = {"asyncio", "logging", "mitmproxy", "os", "pathlib", "random", "secrets", "socket", "time"}
PURE = (
    *("proxy_addon/" + name for name in ("coding", "compression", "cookies", "csp", "fields")),
    *("proxy_addon/" + name for name in ("headers", "identity", "locate", "origins", "page")),
    *("proxy_addon/" + name for name in ("paths", "policy", "prescan", "reverse", "snippet")),
    "proxy_addon/splice",
    "proxy_addon/token",
    *(
        "cobrowse/check/" + name
        for name in ("crawling", "documents", "fields", "findings", "identity", "judging")
    ),
    *("cobrowse/check/" + name for name in ("judging_frames", "judging_session", "observed")),
    *("cobrowse/check/" + name for name in ("passages", "pixels", "redacting", "wording")),
    *("relay/service/" + name for name in ("lookup", "openapi", "plain", "soap", "xmltext")),
    *("relay/" + name for name in ("auth", "errors", "outbox", "replay", "session", "wire")),
)


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import; mitmdump loads scripts without one"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_keep_apart(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert not imports(path) & FORBIDDEN[package], path
        if path.relative_to(ROOT).as_posix() not in MITMPROXY:
            assert "mitmproxy" not in imports(path), path


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_nothing_to_the_world(module: str) -> None:
    assert not imports(ROOT / f"{module}.py") & IMPURE
