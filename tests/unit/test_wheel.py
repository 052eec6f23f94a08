"""A wheel carries the built scripts and the pages."""

import zipfile
from pathlib import Path

from tests.wheel import build


def test_a_wheel_is_complete(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(tmp_path)) as wheel:
        names = set(wheel.namelist())
        notices = wheel.read("relay/static/NOTICES.txt").decode()
    expected = {"proxy_addon/static/stub.js", "proxy_addon/addon.py", "relay/py.typed"}
    expected |= {f"relay/static/{name}.js" for name in ("loader", "capture", "viewer", "console")}
    expected |= {f"relay/templates/{name}.html" for name in ("base", "viewer", "console")}
    expected |= {f"relay/templates/{name}" for name in ("service.wsdl", "operation.html")}
    expected |= {"certs/authority.py", "relay/static/settings.js", "relay/templates/settings.html"}
    expected |= {"relay/static/agent.css", "cobrowse/demo/pages/home.html"}
    expected |= {f"cobrowse/check/{name}" for name in ("look.js", "copy.js", "report.html")}
    assert expected <= names
    assert not [name for name in names if name.startswith(("tests/", "web/", "bench/"))]
    # What others have written of the scripts comes with its licence.
    assert "fflate 0." in notices and "Permission is hereby granted" in notices
