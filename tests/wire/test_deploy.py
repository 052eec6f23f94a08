"""What deploy/ ships beside the balancers' files (test_topology.py): units, images, first start."""

import json
import re
import shutil
import ssl
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from cobrowse import cli, config
from tests.balancers import DEPLOY, RELAY, SITE, put_in

ROOT = DEPLOY.parent
UNITS = {"cobrowse-proxy.service": "", "cobrowse-relay@.service": "8081"}
OURS = ("proxy", "relay-a", "relay-b", "setup")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as Compose reads it: what is unknown, or of the wrong form, raises."""
    # It knows of anchors, and not of anchors inside of what is merged.
    merged = yaml.safe_load((ROOT / "compose.yaml").read_text())
    read = PyCompose.from_json(json.dumps(merged))
    read.validate()
    return read.to_dict()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    set_up(tmp_path)
    return tmp_path


def set_up(folder: Path) -> None:
    """What the service of that name does."""
    for name in ("config", "database", "tls"):
        (folder / name).mkdir(exist_ok=True)
    folders = [str(folder / name) for name in ("config", "database", "tls")]
    command = [sys.executable, str(DEPLOY / "setup.py"), str(DEPLOY / "cobrowse.toml"), *folders]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_units(name: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("this machine has no systemd")
    here = {"/opt/cobrowse/bin/cobrowse": str(Path(sys.executable).with_name("cobrowse"))}
    unit = tmp_path / name.replace("@", f"@{UNITS[name]}")
    unit.write_text(put_in((DEPLOY / name).read_text(), here))
    if name == "cobrowse-proxy.service":
        more = unit.with_suffix(".service.d")
        more.mkdir()
        shutil.copy(DEPLOY / "cobrowse-proxy-tls.conf", more / "tls.conf")
    verify = ["systemd-analyze", "verify", str(unit)]
    checked = subprocess.run(verify, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    # In tenths; 0 would be a service that can do nothing, 96 is one that nothing is forbidden.
    secure = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)]
    assert subprocess.run(secure, capture_output=True).returncode == 0


@pytest.mark.parametrize("name", UNITS)
def test_the_units_start_what_there_is(name: str) -> None:
    [line] = re.findall(r"^ExecStart=/opt/cobrowse/bin/cobrowse (.*)$", unit_text(name), re.M)
    given = cli._parser().parse_args(line.replace("%i", UNITS[name]).split())
    assert given.config == "%d/cobrowse.toml"


def unit_text(name: str) -> str:
    return (DEPLOY / name).read_text()


def test_both_units_are_hardened_alike() -> None:
    proxy, relay = (unit_text(name).partition("\nCapabilityBoundingSet=")[2] for name in UNITS)
    assert proxy == relay != ""


def test_the_shipped_config_is_safe_until_it_is_filled_in() -> None:
    proxy, relay = config.load(str(DEPLOY / "cobrowse.toml"))
    [(group, values)] = relay.groups.items()
    assert values.api_keys() == () and proxy.group_for(SITE) is not None
    assert relay.relay.public_url == f"https://{RELAY}" and group in proxy.groups


def test_secrets_are_made_once_and_the_config_each_time(made: Path) -> None:
    path = made / "config" / "cobrowse.toml"
    first = path.read_text()
    set_up(made)
    assert path.read_text() == first
    _, relay = config.load(str(path))
    [values] = relay.groups.values()
    password = (made / "database" / "password").read_text()
    assert len(values.api_key) == len(password) == 32 and values.api_key != password
    assert relay.relay.store == f"postgresql://cobrowse:{password}@postgres/cobrowse"
    for file in made.rglob("*"):
        assert file.is_dir() or file.stat().st_mode & 0o077 == 0, file
    tls = ssl.create_default_context(cafile=str(made / "tls" / "mitmproxy-ca-cert.pem"))
    tls.load_cert_chain(made / "tls" / "tls.pem")


def test_a_certificate_of_the_operators_own_stays(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "tls.pem").write_text("theirs")
    set_up(tmp_path)
    assert (tmp_path / "tls" / "tls.pem").read_text() == "theirs"


def test_compose_runs_nothing_with_more_than_it_needs(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "healthcheck" in service or name == "setup", name
        assert name not in OURS or "cap_add" not in service, name
        for image in filter(None, [service.get("image")]):
            assert name in OURS or re.search(r":\d", image), image
    assert [n for n, s in compose["services"].items() if s.get("ports")] == ["balancer"]
    assert compose["networks"]["data"]["internal"]


def test_what_compose_mounts_and_starts_is_there(compose: dict[str, Any]) -> None:
    used = set()
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                used.add(source)
        if name in OURS and name != "setup":
            given = cli._parser().parse_args(service["command"])
            assert given.config == "/etc/cobrowse/cobrowse.toml"
        assert set(service.get("depends_on", {})) <= set(compose["services"])
    assert used == set(compose["volumes"])


def test_names_ports_and_addresses_are_the_same_everywhere(compose: dict[str, Any]) -> None:
    services = compose["services"]
    proxy, relay = config.load(str(DEPLOY / "cobrowse.toml"))
    address = {
        name: service["networks"]["inside"]["ipv4_address"]
        for name, service in services.items()
        if isinstance(service.get("networks"), dict)
    }
    assert proxy.proxy.trusted_peers == [address["balancer"]]
    assert relay.relay.trusted_peers == [address["balancer"], address["proxy"]]
    listens = {name: services[name]["command"][-1].rpartition(":")[2] for name in OURS[:3]}
    for name in ("nginx.conf", "haproxy.cfg"):
        text = (DEPLOY / name).read_text()
        for host, port in listens.items():
            assert f"{host}:{port}" in text
        assert SITE in text and RELAY in text and proxy.proxy.relay.rpartition(":")[2] in text
    for name in ("relay-a", "relay-b"):
        assert f"127.0.0.1:{listens[name]}/readyz" in json.dumps(services[name]["healthcheck"])


def test_no_secret_is_shipped() -> None:
    secret = re.compile(r"[0-9a-fA-F]{24}|BEGIN .*KEY|://\w+:[^/@\s]+@")
    for path in (*DEPLOY.glob("*.*"), ROOT / "compose.yaml", ROOT / "Dockerfile"):
        assert not secret.search(path.read_text()), path


def test_the_image_is_built_as_images_should_be() -> None:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    command = [hadolint, "--no-color", str(ROOT / "Dockerfile")]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    *_, last = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert "\nUSER 10001\n" in last and "COPY" not in last


def test_the_image_is_made_of_what_a_wheel_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    taken = {line[1:] for line in lines if line.startswith("!") and "*" not in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert taken == {*packages, "LICENSE", "README.md", "pyproject.toml", "web"}
    assert all((ROOT / name).exists() for name in taken)
