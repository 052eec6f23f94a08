"""Start all parts on one machine: the relay, the proxy in front of a site, the demo's site."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

import proxy_addon
import proxy_addon.settings as proxy_conf
import relay.settings as relay_conf
from certs.authority import CERTIFICATE_FILE, authority, load
from cobrowse import config, forwarding
from cobrowse.forwarding import Forward
from cobrowse.processes import Processes, StartError, check_free, free_port, running
from proxy_addon.forward import Hosts, is_loopback
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
STARTING: Final = "Starting the relay and the proxy ..."
# What goes with an authority that was for other hosts, or at its end.
REPLACED: Final = (
    "A new authority was made, in place of one for other hosts or at its end: browsers must be told"
    " to trust it, and the relay needs a new certificate if it had one of the last."
)
_MITMDUMP: Final = "import sys; from mitmproxy.tools.main import mitmdump; sys.exit(mitmdump())"


def up(
    path: str | None,
    origin: str | None,
    listen: str | None,
    relay_listen: str | None,
    include: Sequence[str] | None = None,
) -> None:
    """Stand in front of a site until interrupted. None: what the config file says.

    Args: include: hosts, in forward mode; None in front of one site.
    Raises: ConfigError, StartError, SetupError, ValueError for what the user can mend.
    """
    path = path or config.own_file()
    settings = config.load(path)[0].proxy
    if include is not None or settings.forward:
        forward = forward_of(path, include or ())
        with running() as processes:
            _run(processes, path, "", listen, relay_listen, forward=forward)
    with running() as processes:
        _run(processes, path, _site(settings, origin), listen, relay_listen)


def proxy(path: str | None, origin: str | None, listen: str | None) -> NoReturn:
    """Become the proxy, which looks for its relay where the config file says. Raises: as up()."""
    path = path or config.own_file()
    settings, relay_settings = config.load(path)
    forward = forward_of(path, ()) if settings.proxy.forward else None
    site = "" if forward else _site(settings.proxy, origin)
    at = split_listen(listen or settings.proxy.listen)
    check_free(*at, "--listen")
    command = _proxy_command(path, site, at, split_listen(relay_settings.relay.listen), forward)
    os.execv(sys.executable, [sys.executable, *command])


def demo(listen: str | None, relay_listen: str | None) -> None:
    """The same in front of the embedded site. Raises: as up()."""
    path = config.own_file("demo", DEMO_COOKIES, DEMO_SETTINGS)
    with running() as processes:
        port, support = free_port(), free_port()
        settings = config.load(path)[1]
        group, values = next(iter(settings.groups.items()))
        relay_url = _relay_url(settings, relay_listen)
        arguments = [str(port), str(support), relay_url, group, AGENT]
        processes.start(
            "the demo site", ["-m", "cobrowse.demo.site", *arguments], told=f"{values.api_key}\n"
        )
        processes.wait_ready("127.0.0.1", port, "the demo site")
        bank = f"http://127.0.0.1:{port}"
        more = {"CRM": f"http://localhost:{support}/", "Bank": f"{bank}/ without the proxy"}
        _run(processes, path, bank, listen, relay_listen, more)


def browse(
    url: str, path: str | None, include: Sequence[str], browser: str | None, extra: Sequence[str]
) -> None:
    """Open a page of anybody's in a browser that goes through the proxy, until it is closed.

    Args: include: further hosts. extra: further arguments of the browser.
    Raises: as up().
    """
    path = path or config.own_file()
    address, hosts = forwarding.site_of(url)
    program = forwarding.find_browser(browser)
    at, relay_at = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    # The authority is as short-lived as the profile: what others trust stays as it is.
    with forwarding.own_folder() as folder, running() as processes:
        forward = forward_of(path, [*hosts, *include], folder / "certs", asks=False)
        print(STARTING, flush=True)
        start(processes, path, "", at, relay_at, forward)
        proxy, pin = f"http://{_address(*at)}", load(forward.folder).pin
        settings, profile = config.load(path)[1], folder / "profile"
        with forwarding.browsing(program, address, proxy, pin, profile, extra) as opened:
            relay_url = _relay_url(settings, _address(*relay_at))
            _announce(path, "Page", address, relay_url, settings, {})
            processes.wait_for(opened)


def forward_of(
    path: str, hosts: Sequence[str], folder: Path | None = None, *, asks: bool = True
) -> Forward:
    """Forward mode with what a config file includes, and further hosts; makes its authority.

    Args: folder: of the authority; None, below the data folder. asks: see Forward.
    Raises: StartError, ValueError.
    """
    proxy, relay = config.load(path)
    included = forwarding.include_of(hosts)
    known = Hosts([*proxy.proxy.include, *included])
    folder = folder or relay.data_dir() / "certs"
    made = authority(folder, [name.strip("[]") for name in known.names])
    if made.replaced:
        print(REPLACED, flush=True)
    return Forward(included, folder, asks)


def start(
    processes: Processes,
    path: str,
    origin: str,
    at: tuple[str, int],
    relay_at: tuple[str, int],
    forward: Forward | None = None,
) -> None:
    """Start relay and proxy, and wait until both answer. Raises: StartError."""
    config.load(path)[1].secret()  # made before both look for it
    start_relay(processes, path, relay_at, origin)
    start_proxy(processes, path, origin, at, relay_at, forward)
    processes.wait_ready(*relay_at, "the relay")
    processes.wait_ready(*at, "the proxy")


def _run(
    processes: Processes,
    path: str,
    origin: str,
    listen: str | None,
    relay_listen: str | None,
    more: Mapping[str, str] | None = None,
    forward: Forward | None = None,
) -> None:
    """more: see _announce."""
    proxy_settings, relay_settings = config.load(path)
    at = split_listen(listen or proxy_settings.proxy.listen)
    relay_at = split_listen(relay_listen or relay_settings.relay.listen)
    check_free(*at, "--listen")
    check_free(*relay_at, "--relay-listen")
    print(STARTING, flush=True)
    start(processes, path, origin, at, relay_at, forward)
    relay_url = _relay_url(relay_settings, relay_listen)
    shown = ("Proxy", _address(*at)) if forward else ("Visitor", f"http://{_address(*at)}/")
    _announce(path, *shown, relay_url, relay_settings, more or {})
    if forward:
        print(f"Trust {forward.folder / CERTIFICATE_FILE}: cobrowse certs says how.", flush=True)
    processes.wait()


def _relay_url(settings: relay_conf.Settings, relay_listen: str | None) -> str:
    """Where agents reach the relay."""
    if relay_listen and not settings.relay.public_url:
        scheme = "https" if settings.relay.cert else "http"
        return f"{scheme}://{_address(*split_listen(relay_listen))}"
    return settings.relay.url()


def start_relay(processes: Processes, path: str, at: tuple[str, int], origin: str = "") -> None:
    """Start the relay, and do not wait for it. origin: the site behind the proxy."""
    more = ["--quiet", "--relay-listen", _address(*at), *(["--origin", origin] if origin else [])]
    processes.start("the relay", ["-m", "cobrowse", "relay", "--config", path, *more])


def start_proxy(
    processes: Processes,
    path: str,
    origin: str,
    at: tuple[str, int],
    relay_at: tuple[str, int],
    forward: Forward | None = None,
) -> None:
    """Start mitmdump with the addon, and do not wait for it. Raises: StartError."""
    processes.start("the proxy", _proxy_command(path, origin, at, relay_at, forward))


def _proxy_command(
    path: str, origin: str, at: tuple[str, int], relay_at: tuple[str, int], forward: Forward | None
) -> list[str]:
    """What Python is called with. Raises: StartError."""
    proxy_settings, relay_settings = config.load(path)
    if forward and not proxy_settings.proxy.auth and not is_loopback(at[0]):
        raise StartError(f"others reach {at[0]}: listen on 127.0.0.1, or set auth in [proxy]")
    options = {
        "cobrowse_config": path,
        "confdir": str(relay_settings.data_dir() / "mitmproxy"),
        # A line for each request is for debugging; the counts, warnings and errors still show.
        "flow_detail": "0",
        "termlog_verbosity": "alert",
    }
    if proxy_settings.proxy.relay == proxy_conf.ProxySettings().relay:
        scheme = "https" if relay_settings.relay.cert else "http"
        options["cobrowse_relay"] = f"{scheme}://{_address(*_reachable(relay_at))}"
    mode = "regular" if forward else f"reverse:{origin}"
    script = Path(proxy_addon.__file__).with_name("addon.py")
    pairs = []
    if forward and forward.recording:
        script = Path(__file__).parent / "check" / "recording.py"
        # Whoever looks at the record needs no counts beside it.
        options |= {"cobrowse_recording": str(forward.recording), "termlog_verbosity": "error"}
    if forward:
        options |= {"confdir": str(forward.folder), "cobrowse_forward": "true"}
        options["cobrowse_auth"] = str(forward.asks).lower()
        pairs = [("cobrowse_include", pattern) for pattern in forward.include]
    else:
        # On by default, it would refuse every visitor from a public address.
        options["block_global"] = "false"
    pairs += options.items()
    arguments = [part for name, value in pairs for part in ("--set", f"{name}={value}")]
    return [
        *("-c", _MITMDUMP),
        *("-s", str(script)),
        *("--mode", mode),
        *("--listen-host", at[0], "--listen-port", str(at[1])),
        *arguments,
    ]


def _site(settings: proxy_conf.ProxySettings, origin: str | None) -> str:
    """scheme://host[:port] of the site to stand in front of. Raises: StartError."""
    site = origin or settings.origin or next(iter(settings.origins.values()), "")
    parts = urlsplit(site)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StartError("no site to stand in front of: give --origin http://host")
    return f"{parts.scheme}://{parts.netloc}"


def _announce(
    path: str,
    what: str,
    address: str,
    relay_url: str,
    settings: relay_conf.Settings,
    more: Mapping[str, str],
) -> None:
    """more: further addresses, by what they are."""
    print(f"\n  {what:<8} {address}")
    for group, group_settings in settings.groups.items():
        if group_settings.api_key:
            expiry = int(time.time()) + LOGIN_KEY_MAX_AGE_S - 60
            key = make_login_key(group, AGENT, group_settings.api_key, expiry)
            query = f"partnerid={group}&partneruserid={AGENT}&loginkey={key}"
            print(f"  Agent    {relay_url}/console?{query}")
    for name, further in more.items():
        print(f"  {name:<8} {further}")
    shown = path.replace(str(Path.home()), "~", 1)
    print(f"  Config   {shown}\n\nPress Ctrl-C to stop.", flush=True)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(at: tuple[str, int]) -> tuple[str, int]:
    """Where this machine reaches a listener that may stand on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(at[0], at[0]), at[1]
