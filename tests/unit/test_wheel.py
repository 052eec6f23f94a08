"""A wheel carries the built scripts and the pages: installing it needs no Node."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_wheel_is_complete(tmp_path: Path) -> None:
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"proxy_addon/static/stub.js", "proxy_addon/addon.py", "relay/py.typed"}
    expected |= {f"relay/static/{name}.js" for name in ("loader", "capture", "viewer", "console")}
    expected |= {f"relay/templates/{name}.html" for name in ("base", "viewer", "console")}
    expected |= {f"relay/templates/{name}" for name in ("service.wsdl", "operation.html")}
    expected |= {"certs/authority.py", "relay/static/settings.js", "relay/templates/settings.html"}
    expected |= {"relay/static/agent.css", "cobrowse/demo/pages/home.html"}
    assert expected <= names
    assert not [name for name in names if name.startswith(("tests/", "web/", "bench/"))]
    # What others have written of the scripts comes with its licence.
    notices = zipfile.ZipFile(wheel).read("relay/static/NOTICES.txt").decode()
    assert "fflate 0." in notices and "Permission is hereby granted" in notices
