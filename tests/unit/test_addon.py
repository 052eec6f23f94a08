"""The addon's options and hooks; what is really sent stands in tests/wire."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy.connection import Server
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow

from proxy_addon import csp, locate, page, policy
from proxy_addon.addon import Cobrowse
from proxy_addon.snippet import SnippetMaker

PAGE = b"<html><head><title>t</title></head>"


def page_flow(**response: Any) -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request.headers = http.Headers(host="shop.test", accept="text/html")
    flow.request.path = "/"
    flow.response = http.Response.make(200, PAGE, {"Content-Type": "text/html", **response})
    return flow


@pytest.fixture
def addon() -> Cobrowse:
    made = Cobrowse()
    made._snippets = SnippetMaker("run(__COBROWSE__)")
    return made


async def ask(addon: Cobrowse, flow: http.HTTPFlow) -> None:
    waiting = addon.requestheaders(flow)
    if waiting is not None:
        await waiting


async def through(addon: Cobrowse, flow: http.HTTPFlow, config: Path) -> None:
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(config))
        await ask(addon, flow)
        addon.responseheaders(flow)
        addon.response(flow)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cobrowse.toml"
    path.write_text('[groups.1]\nhosts = ["shop.test"]\n[groups.2]\n')
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[proxy]\nprefix = 5", "proxy.prefix: Expected `str`"),
        ('[proxy]\nprefix = "cobrowse"', "prefix must begin and end"),
        ('[proxy]\nrelay = "127.0.0.1:8081"', "relay must be a URL"),
        ('[groups.1]\nsite = "live"', "groups"),
        ("[proxy", "cannot read"),
        ('[proxy]\ncert = "/none.pem"', "cert: there is no file /none.pem"),
        ('[proxy]\norigin_ca = "/none.pem"', "origin_ca: there is no file"),
        ("[proxy]\nforward = true", "forward mode opens only what include names"),
        ('[proxy]\nforward = true\ninclude = ["*"]', "names no host"),
        ('[proxy]\nprefx = "/x/"', "proxy: Object contains unknown field `prefx`"),
        ('[groups.1.cookies]\nnam = "x"', "unknown field `nam`"),
    ],
)
async def test_a_bad_config_is_told_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text(text)
    addon = Cobrowse()
    with taddons.context(addon) as context, pytest.raises(exceptions.OptionsError, match=message):
        context.configure(addon, cobrowse_config=str(path))


async def test_the_relays_sections_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text('[relay]\nlisten = "0.0.0.0:1"\nwhatever = 1\n[groups.1]\napi_key = "k"\n')
    addon = Cobrowse()
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(path), cobrowse_relay="http://10.0.0.1:9")
    assert addon.settings.proxy.relay == "http://10.0.0.1:9"
    assert list(addon.settings.groups) == ["1"]


async def test_a_synthetic_page_is_spliced(addon: Cobrowse, config: Path) -> None:
    flow = page_flow()
    await through(addon, flow, config)
    assert flow.response is not None and flow.response.raw_content is not None
    assert flow.response.raw_content.startswith(b'<html><head><script id="glance-cobrowse">')
    assert flow.response.headers["content-length"] == str(len(flow.response.raw_content))
    assert addon.outcomes == {"spliced": 1}


async def test_an_error_of_ours_leaves_the_page_whole(
    addon: Cobrowse, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(csp, "allow", broken)
    flow = page_flow(ETag='"x"')
    await through(addon, flow, config)
    assert flow.response is not None
    assert flow.response.raw_content == PAGE
    assert flow.response.headers["etag"] == '"x"'
    assert addon.outcomes == {"error": 1}


@pytest.mark.parametrize("live", [True, False])
async def test_an_error_of_ours_at_a_request_lets_it_go_on(
    addon: Cobrowse, config: Path, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(policy, "navigation", broken)
    flow = page_flow()
    flow.request.headers["cookie"] = "a=1; cobrowse_session=K.t"
    if live:
        assert flow.response is not None
        flow.response.data.content = None
    await through(addon, flow, config)
    assert flow.request.headers["cookie"] == "a=1"
    assert flow.response is not None
    assert flow.response.raw_content == (None if live else PAGE)
    assert flow.response.stream is live


async def test_an_error_of_ours_in_a_stream_lets_the_page_go_on(
    addon: Cobrowse, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(locate.Locator, "locate", broken)
    flow = page_flow()
    assert flow.response is not None
    flow.response.data.content = None
    await through(addon, flow, config)
    stream = flow.response.stream
    assert callable(stream)
    pieces = [*stream(PAGE[:10]), *stream(PAGE[10:]), *stream(b"")]
    assert b"".join(pieces) == PAGE
    assert b"" not in pieces
    assert addon.outcomes == {"error": 1}


async def test_an_error_of_ours_in_a_whole_page_leaves_it(
    addon: Cobrowse, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(page, "prepare", broken)
    body = gzip.compress(PAGE)
    flow = page_flow(**{"Content-Encoding": "gzip", "ETag": '"x"'})
    assert flow.response is not None
    flow.response.raw_content = body
    await through(addon, flow, config)
    assert flow.response.raw_content == body
    assert flow.response.headers["etag"] == '"x"'
    assert addon.outcomes == {"error": 1}


@pytest.mark.parametrize(("host", "group"), [("shop.test", b'"1"'), ("other.test", b'"2"')])
async def test_the_host_decides_the_group(
    addon: Cobrowse, config: Path, host: str, group: bytes
) -> None:
    flow = page_flow()
    flow.request.headers["host"] = host
    await through(addon, flow, config)
    assert flow.response is not None and flow.response.raw_content is not None
    assert b'"group":' + group in flow.response.raw_content


async def test_without_a_group_for_the_host_pages_pass(addon: Cobrowse, tmp_path: Path) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text('[groups.1]\nhosts = ["shop.test"]\n')
    flow = page_flow()
    flow.request.headers["host"] = "other.test"
    await through(addon, flow, path)
    assert flow.response is not None and flow.response.raw_content == PAGE
    assert addon.outcomes == {"no group": 1}


def test_messages_of_a_socket_are_not_kept() -> None:
    flow = tflow.twebsocketflow()
    assert flow.websocket is not None and len(flow.websocket.messages) > 1
    last = flow.websocket.messages[-1]
    Cobrowse().websocket_message(flow)
    assert flow.websocket.messages == [last]


def reverse_flow(peer: str = "10.0.0.9", **more: str) -> http.HTTPFlow:
    """A request for a page as mitmproxy hands it over in reverse mode with the Host kept."""
    flow = page_flow()
    flow.client_conn.proxy_mode = mode_specs.ProxyMode.parse("reverse:http://first.internal:8000")
    flow.client_conn.peername = (peer, 50_000)
    flow.request.host, flow.request.port, flow.request.scheme = "first.internal", 8000, "http"
    flow.request.headers = http.Headers(host="shop.test", accept="text/html")
    for name, value in more.items():
        flow.request.headers[name.replace("_", "-")] = value
    return flow


@pytest.mark.parametrize(
    ("host", "upstream", "host_header"),
    [
        ("shop.test", ("https", "shop.internal", 443), "shop.internal"),
        ("shop.test:8080", ("https", "shop.internal", 443), "shop.internal"),
        ("bank.test", ("http", "10.0.0.2", 81), "10.0.0.2:81"),
        ("other.test", ("http", "first.internal", 8000), "first.internal:8000"),
    ],
)
async def test_each_host_has_its_origin(
    addon: Cobrowse, tmp_path: Path, host: str, upstream: tuple[str, str, int], host_header: str
) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text(
        '[proxy.origins]\n"shop.test" = "https://shop.internal"\n"bank.test" = "http://10.0.0.2:81"'
    )
    flow = reverse_flow(host=host, origin=f"http://{host}")
    await through(addon, flow, path)
    request = flow.request
    assert (request.scheme, request.host, request.port) == upstream
    assert request.host_header == host_header
    standard = {"https": ":443", "http": ":80"}[upstream[0]]
    assert request.headers["origin"] == f"{upstream[0]}://{host_header}".removesuffix(standard)


@pytest.mark.parametrize(
    ("peer", "origin", "secure"),
    [("10.0.0.1", "https://public.test", True), ("10.0.0.9", "http://shop.test", False)],
)
async def test_forwarded_fields_count_from_trusted_peers_only(
    addon: Cobrowse, tmp_path: Path, peer: str, origin: str, secure: bool
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("obviously-fake-secret-of-enough-length")
    path = tmp_path / "cobrowse.toml"
    path.write_text(
        f'token_secret_file = "{secret}"\n[proxy]\ntrusted_peers = ["10.0.0.1"]\n[groups.1]\n'
    )
    flow = reverse_flow(
        peer,
        x_forwarded_proto="https",
        x_forwarded_host="public.test",
        origin=origin,
    )
    flow.request.method, flow.request.path = "POST", "/.cobrowse/token"
    flow.response = None
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(path))
        await ask(addon, flow)
    response: http.Response | None = flow.response
    assert response is not None and response.status_code == 200
    assert ("; Secure" in response.headers["set-cookie"]) is secure


async def test_a_direct_relay_stands_in_the_page_and_in_its_policy(
    addon: Cobrowse, tmp_path: Path
) -> None:
    path = tmp_path / "cobrowse.toml"
    direct = "wss://relay.test/visitor/socket"
    path.write_text(f'[proxy]\ndirect_url = "{direct}"\n[groups.1]\n')
    flow = page_flow(**{"Content-Security-Policy": "connect-src 'self'"})
    await through(addon, flow, path)
    assert flow.response is not None and flow.response.raw_content is not None
    assert f'"socket":"{direct}"'.encode() in flow.response.raw_content
    assert flow.response.headers["content-security-policy"].endswith(f" {direct}")


async def test_the_origins_certificate_is_asked_for_in_its_own_name(addon: Cobrowse) -> None:
    flow = reverse_flow()
    server = Server(address=("first.internal", 443))
    addon.connections.server_connect(
        ServerConnectionHookData(server=server, client=flow.client_conn)
    )
    assert server.sni == "first.internal"


@pytest.mark.parametrize(
    ("forwarded", "origin"),
    [
        ({"proto": "https, http"}, "http://shop.test"),
        ({"proto": "http, HTTPS "}, "https://shop.test"),
        ({"proto": "gopher"}, "http://shop.test"),
        ({"proto": "https", "host": "evil.test, Public.test"}, "https://public.test"),
        ({"host": ""}, "http://shop.test"),
    ],
)
async def test_of_forwarded_lists_the_last_item_counts(
    addon: Cobrowse, tmp_path: Path, forwarded: dict[str, str], origin: str
) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text('[proxy]\ntrusted_peers = ["10.0.0.1"]\n[groups.1]\n')
    fields = {f"x_forwarded_{name}": value for name, value in forwarded.items()}
    flow = reverse_flow("10.0.0.1", **fields)
    assert flow.response is not None
    flow.response.headers["location"] = "http://first.internal:8000/next"
    await through(addon, flow, path)
    assert flow.response.headers["location"] == f"{origin}/next"


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0"])
async def test_a_punycode_host_has_its_own_origin(
    addon: Cobrowse, tmp_path: Path, version: str
) -> None:
    path = tmp_path / "cobrowse.toml"
    host = "xn--bcher-kva.test"
    path.write_text(f'[groups.1]\n[proxy.origins]\n"{host}" = "http://10.0.0.2:81"')
    flow = reverse_flow(host=host)
    flow.request.http_version = version
    if version == "HTTP/2.0":
        del flow.request.headers["host"]
        flow.request.data.authority = host.encode()
    assert flow.response is not None
    flow.response.headers["location"] = "http://10.0.0.2:81/next"
    await through(addon, flow, path)
    assert flow.request.host == "10.0.0.2"
    assert flow.response.headers["location"] == f"http://{host}/next"


async def test_without_a_host_nothing_is_translated(addon: Cobrowse, config: Path) -> None:
    flow = reverse_flow()
    del flow.request.headers["host"]
    assert flow.response is not None
    flow.response.headers["location"] = "http://first.internal:8000/next"
    await through(addon, flow, config)
    assert flow.response.headers["location"] == "http://first.internal:8000/next"


async def test_names_count_however_they_are_written(addon: Cobrowse, tmp_path: Path) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text(
        '[groups.1]\n[proxy.origins]\n"shop.test" = "http://SHOP.Internal"\n'
        '"bank.test" = "https://Bank.Internal:443/"'
    )
    for before, after in (
        ("http://shop.internal/x", "http://shop.test/x"),
        ("https://bank.internal/x", "http://bank.test/x"),
    ):
        flow = reverse_flow()
        assert flow.response is not None
        flow.response.headers["location"] = before
        await through(addon, flow, path)
        assert flow.response.headers["location"] == after


@pytest.mark.parametrize(
    ("version", "method", "fields", "streams"),
    [
        ("HTTP/2.0", "POST", {}, True),
        ("HTTP/2.0", "GET", {}, True),
        ("HTTP/2.0", "POST", {"content_length": "10"}, False),
        ("HTTP/1.1", "POST", {}, False),
        ("HTTP/1.1", "POST", {"content_length": "9" * 30}, True),
    ],
)
async def test_uploads_of_unknown_length_are_not_kept(
    addon: Cobrowse, config: Path, version: str, method: str, fields: dict[str, str], streams: bool
) -> None:
    flow = reverse_flow(**fields)
    flow.request.http_version, flow.request.method = version, method
    flow.response = None
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(config))
        await ask(addon, flow)
    assert flow.request.stream is streams
    framed = flow.request.headers.get("transfer-encoding") == "chunked"
    assert framed is (streams and method == "POST" and version == "HTTP/2.0")


@pytest.mark.parametrize(("fields", "killed"), [({}, True), ({"content_length": "0"}, False)])
async def test_an_endless_body_for_a_reserved_path_is_not_kept(
    addon: Cobrowse, config: Path, fields: dict[str, str], killed: bool
) -> None:
    flow = reverse_flow(**fields)
    flow.request.http_version, flow.request.method = "HTTP/2.0", "POST"
    flow.request.path, flow.response = "/.cobrowse/nothing", None
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(config))
        await ask(addon, flow)
    assert (flow.error is not None) is killed


async def test_what_another_addon_has_answered_is_left_to_it(addon: Cobrowse, config: Path) -> None:
    for path in ("/.cobrowse/token", "/upload"):
        flow = reverse_flow()
        flow.request.path, flow.request.http_version = path, "HTTP/2.0"
        flow.request.method = "POST"
        flow.response = refusal = http.Response.make(401, b"Who are you?")
        with taddons.context(addon) as context:
            context.configure(addon, cobrowse_config=str(config))
            await ask(addon, flow)
        assert flow.response is refusal
        assert not flow.request.stream  # mitmproxy can not do both


async def test_a_kept_host_is_kept_for_each_origin(addon: Cobrowse, tmp_path: Path) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text(
        '[groups.1]\nhosts = ["Shop.Test"]\n[proxy.origins]\n"Shop.Test" = "http://10.0.0.5:8000"'
    )
    flow = reverse_flow()
    assert flow.response is not None
    flow.response.headers["location"] = "http://10.0.0.5:8000/x"
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(path))
        addon._keep_host = True
        await ask(addon, flow)
        assert (flow.request.host, flow.request.port) == ("10.0.0.5", 8000)
        assert flow.request.headers["host"] == "shop.test"
