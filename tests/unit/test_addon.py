"""The addon's options and hooks; what is really sent stands in tests/wire."""

from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy.test import taddons, tflow

from proxy_addon import csp
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


async def through(addon: Cobrowse, flow: http.HTTPFlow, config: Path) -> None:
    with taddons.context(addon) as context:
        context.configure(addon, cobrowse_config=str(config))
        await addon.requestheaders(flow)
        addon.responseheaders(flow)


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
    assert addon.counts == {"spliced": 1}


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
    assert addon.counts == {"error": 1}


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
    assert addon.counts == {"no group": 1}


def test_messages_of_a_socket_are_not_kept() -> None:
    flow = tflow.twebsocketflow()
    assert flow.websocket is not None and len(flow.websocket.messages) > 1
    last = flow.websocket.messages[-1]
    Cobrowse().websocket_message(flow)
    assert flow.websocket.messages == [last]
