"""Start all parts on one machine: the relay, the proxy in front of a site, the demo's site."""

import socket
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import proxy_addon
import proxy_addon.settings as proxy_conf
import relay.settings as relay_conf
from cobrowse import config
from cobrowse.processes import Processes, StartError, check_free, running
from relay.auth import LOGIN_KEY_MAX_AGE_S, make_login_key
from relay.settings import split_listen

AGENT: Final = "agent"
# What the demo bank's login leaves in the browser.
DEMO_COOKIES: Final = {
    "visitorid": "customer_no",
    "name": "customer_name",
    "email": "customer_mail",
}
# Visitors see the start button, and agents what visitors type, secrets aside.
# CRM and chat are at localhost: other sites than the bank and the relay, and trusted by both.
DEMO_SETTINGS: Final = (
    'mask = "none"\ncanvas_fps = 2\nbutton = { shown = true }\ntrusted_domains = ["localhost"]'
)
_MITMDUMP: Final = "import sys; from mitmproxy.tools.main import mitmdump; sys.exit(mitmdump())"


def up(path: str | None, origin: str | None, listen: str | None, relay_listen: str | None) -> None:
    """Stand in front of a site until interrupted. None: what the config file says.

    Raises: ConfigError, StartError, SetupError, ValueError for what the user can mend.
    """
    path = path or config.own_file()
    settings = config.load(path)[0].proxy
    site = origin or settings.origin or next(iter(settings.origins.values()), "")
    parts = urlsplit(site)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StartError("no site to stand in front of: give --origin http://host")
    with running() as processes:
        _run(processes, path, f"{parts.scheme}://{parts.netloc}", listen, relay_listen)


def demo(listen: str | None, relay_listen: str | None) -> None:
    """The same in front of the embedded site. Raises: as up()."""
    path = config.own_file("demo", DEMO_COOKIES, DEMO_SETTINGS)
    with running() as processes:
        port, support = _free_port(), _free_port()
        settings = config.load(path)[1]
        group, values = next(iter(settings.groups.items()))
        relay_url = _relay_url(settings, relay_listen)
        arguments = [str(port), str(support), relay_url, group, AGENT]
        processes.start(
            "the demo site", ["-m", "cobrowse.demo.site", *arguments], told=f"{values.api_key}\n"
        )
        processes.wait_ready("127.0.0.1", port, "the demo site")
        _run(processes, path, f"http://127.0.0.1:{port}", listen, relay_listen, support)


def start(
    processes: Processes, path: str, origin: str, at: tuple[str, int], relay_at: tuple[str, int]
) -> None:
    """Start relay and proxy, and wait until both answer. Raises: StartError."""
    config.load(path)[1].secret()  # made before both look for it
    start_relay(processes, path, relay_at, origin)
    start_proxy(processes, path, origin, at, relay_at)
    processes.wait_ready(*relay_at, "the relay")
    processes.wait_ready(*at, "the proxy")


def _run(
    processes: Processes,
    path: str,
    origin: str,
    listen: str | None,
    relay_listen: str | None,
    support: int | None = None,
) -> None:
    """support: port of the demo's support centre."""
    proxy_settings, relay_settings = config.load(path)
    at = split_listen(listen or proxy_settings.proxy.listen)
    relay_at = split_listen(relay_listen or relay_settings.relay.listen)
    check_free(*at, "--listen")
    check_free(*relay_at, "--relay-listen")
    start(processes, path, origin, at, relay_at)
    relay_url = _relay_url(relay_settings, relay_listen)
    _announce(path, f"http://{_address(*at)}/", relay_url, relay_settings, support)
    processes.wait()


def _relay_url(settings: relay_conf.Settings, relay_listen: str | None) -> str:
    """Where agents reach the relay."""
    if relay_listen and not settings.relay.public_url:
        return f"http://{_address(*split_listen(relay_listen))}"
    return settings.relay.url()


def start_relay(processes: Processes, path: str, at: tuple[str, int], origin: str = "") -> None:
    """Start the relay, and do not wait for it. origin: the site behind the proxy."""
    more = ["--relay-listen", _address(*at), *(["--origin", origin] if origin else [])]
    processes.start("the relay", ["-m", "cobrowse", "relay", "--config", path, *more])


def start_proxy(
    processes: Processes, path: str, origin: str, at: tuple[str, int], relay_at: tuple[str, int]
) -> None:
    """Start mitmdump with the addon, and do not wait for it."""
    proxy_settings, relay_settings = config.load(path)
    options = {
        "cobrowse_config": path,
        "confdir": str(relay_settings.data_dir() / "mitmproxy"),
        # On by default, it would refuse every visitor from a public address.
        "block_global": "false",
        # A line for each request is for debugging; the counts, warnings and errors still show.
        "flow_detail": "0",
        "termlog_verbosity": "alert",
    }
    if proxy_settings.proxy.relay == proxy_conf.ProxySettings().relay:
        options["cobrowse_relay"] = f"http://{_address(*_reachable(relay_at))}"
    arguments = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    processes.start(
        "the proxy",
        [
            *("-c", _MITMDUMP),
            *("-s", str(Path(proxy_addon.__file__).with_name("addon.py"))),
            *("--mode", f"reverse:{origin}"),
            *("--listen-host", at[0], "--listen-port", str(at[1])),
            *arguments,
        ],
    )


def _announce(
    path: str,
    visitor_url: str,
    relay_url: str,
    settings: relay_conf.Settings,
    support: int | None,
) -> None:
    print(f"\n  Visitor  {visitor_url}")
    for group, group_settings in settings.groups.items():
        if group_settings.api_key:
            expiry = int(time.time()) + LOGIN_KEY_MAX_AGE_S - 60
            key = make_login_key(group, AGENT, group_settings.api_key, expiry)
            query = f"partnerid={group}&partneruserid={AGENT}&loginkey={key}"
            print(f"  Agent    {relay_url}/console?{query}")
    if support is not None:
        print(f"  CRM      http://localhost:{support}/")
    shown = path.replace(str(Path.home()), "~", 1)
    print(f"  Config   {shown}\n\nPress Ctrl-C to stop.", flush=True)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(at: tuple[str, int]) -> tuple[str, int]:
    """Where this machine reaches a listener that may stand on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(at[0], at[0]), at[1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
