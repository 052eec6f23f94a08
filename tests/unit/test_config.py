"""The config file: errors that name the key, and docs that equal the code."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from cobrowse import config
from cobrowse.docs import config_table
from relay import settings as relay_conf

DOCS = Path(__file__).parent.parent.parent / "docs"
WHOLE = """
token_secret_file = "/tmp/secret"
[proxy]
listen = "127.0.0.1:1"
origin = "http://a.test"
cert = "visitor.pem"
origin_ca = "ca.pem"
origin_tls_min = "1.2"
forward = true
auth = "user:obviously-fake"
prefix = "/_x/"
relay = "http://127.0.0.1:2"
direct_url = "wss://relay.test/visitor/socket"
trusted_peers = ["10.0.0.1"]
include = ["shop.test/*"]
exclude = ["*/admin/*"]
ignore_no_transform = true
metrics_listen = "127.0.0.1:9"
debug_header = true
[proxy.reverse]
links = false
referrers = false
cookie_domain = false
cookie_secure = false
csp = false
keep_hsts = true
keep_alt_svc = true
[proxy.assets]
memory_mb = 64
file_mb = 4
keep_s = 60
[proxy.origins]
"shop.test" = "http://10.0.0.2"
[relay]
listen = "127.0.0.1:2"
cert = "relay.pem"
settings_listen = "127.0.0.1:3"
public_url = "https://relay.test"
store = "memory:"
broker = "redis://127.0.0.1"
keep_days = 30
clock_skew_s = 5
metrics_from = ["10.0.0.9"]
log = "json"
data_dir = "/tmp"
trusted_peers = []
[relay.limits]
connections = 100
connections_per_address = 10
sessions = 50
sessions_per_address = 5
wrong_keys = 5
messages_per_s = 50
bytes_per_s = 1e6
[groups.72937]
api_key = "k"
previous_api_key = "j"
agents = ["anna"]
admins = ["berta"]
tags = false
loginkey_single_use = true
key_conflict = "replace"
max_sessions = 5
site = "staging"
hosts = ["shop.test"]
[groups.72937.settings]
mask = "none"
masked_elements = [{ selector = ".iban", label = "Account number" }, { selector = "#pin" }]
masked_pages = ["/account/*", "shop.test/admin*"]
mask_title = true
mask_query = true
assets = false
canvas_fps = 2
trusted_domains = ["chat.test", "*.help.test"]
embed_origins = ["desk.test", "localhost:8000"]
agent_pointer = false
terms_first = false
language = "de"
share_interface = true
waiting_s = 60
away_s = 120
idle_s = 600
longest_s = 3600
max_sessions = 50
[groups.72937.settings.button]
shown = true
text = "Help me"
background = "rgb(10, 20, 30)"
color = "white"
corner = "top-left"
shape = "square"
[groups.72937.settings.terms]
title = "Before we start"
text = "We will see this page."
link = "https://shop.test/terms"
link_text = "All of it"
accept = "Fine"
decline = "No"
[groups.72937.cookies]
visitorid = "id"
name = { cookie = "nm" }
[groups.72937.cookies.email]
cookie = "profile"
decode = ["percent", "base64", "json"]
field = "user.email"
charset = "windows-1252"
[groups.72937.cookies.phone]
cookie = "identity"
decode = ["jwt"]
field = "phone"
key = "obviously-fake-key"
algorithms = ["HS256", "HS512"]
"""


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text(text)
    config.load(str(path))


def test_every_key_is_read(tmp_path: Path) -> None:
    load(tmp_path, WHOLE)
    load(tmp_path, "")


def test_every_key_of_the_table_stands_in_the_example() -> None:
    for key in config.keys():
        assert f"\n{key.name} = " in WHOLE or f".{key.name}]" in WHOLE, key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[proxi]", "proxi: unknown key; did you mean proxy?"),
        ("[proxy]\nlisten_at = 1", "proxy.listen_at: unknown key; did you mean listen?"),
        ("[groups.1]\nkey = 1", "cobrowse.toml: groups.1.key: unknown key"),
        ("[groups.1.cookies]\nvisitor = 'x'", "groups.1.cookies.visitor: unknown key"),
        (
            "[groups.1.cookies]\nname = { cookie = 'a', decod = [] }",
            "groups.1.cookies.name.decod: unknown key; did you mean decode?",
        ),
        ("[groups.1.cookies.name]\ncookie = 'a'\nfield = 'b'", "field needs json or jwt"),
        ("[groups.1.cookies.name]\ncookie='a'\ndecode=['json','percent']", "only be the last"),
        ("[groups.1.cookies.name]\ncookie = 'a'\ndecode = ['jwt']", "which of the JWT's claims"),
        ("[groups.1.cookies.name]\ncookie = 'a'\nkey = 'k'", "key needs jwt or hmac"),
        ("[groups.1.cookies.name]\ncookie = 'a'\ndecode = ['hmac']", "hmac needs a key"),
        ("[groups.1.cookies.name]\ncookie = 'a'\ncharset = 'hex'", "charset 'hex' is not known"),
        ("[groups.1.cookies.name]\nfield = 'a'", "cookie"),
        ("[proxy.reverse]\nlinks = 1", "proxy.reverse.links: Expected `bool`"),
        ("[proxy.reverse]\nlink = true", "proxy.reverse.link: unknown key; did you mean links?"),
        ("[proxy]\nmetrics_listen = '0.0.0.0:1'", "must be a loopback address, not 0.0.0.0"),
        ("[proxy]\nmetrics_listen = 'x'", "metrics_listen must be host:port"),
        ("[relay]\nlisten = 8081", "relay.listen: Expected `str`, got `int`"),
        ("[relay]\nlisten = ':x'", "listen must be host:port"),
        ("[relay]\nstore = 'sqlite:x'", "relay.store: Expected `str` matching regex"),
        ("[proxy]\norigin = 'shop.test'", "origin must be a URL"),
        ("[groups.1.settings]\nmaks = 'text'", "groups.1.settings.maks: unknown key; did you mean"),
        ("[groups.1.settings]\nmask = 'all'", "groups[...].settings.mask: Invalid enum value"),
        ("[groups.1.settings]\nembed_origins = ['a.test; script-src *']", "embed_origins[0]"),
        ("[groups.1.settings]\ntrusted_domains = ['https://a.test']", "trusted_domains[0]"),
        ("[groups.1.settings.button]\ncolor = 'red;x'", "button.color: Expected `str` matching"),
        ("[groups.1.settings.terms]\nlink = 'javascript:x'", "terms.link: Expected `str` matching"),
        ("groups = 5", "groups: Expected `object`"),
        ("[groups]\nx = 5", "groups"),
        ("=", "cannot read"),
    ],
)
def test_an_error_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(config.ConfigError) as error:
        load(tmp_path, text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:8081"),
        ('[relay]\nlisten = "10.0.0.1:9"', "http://10.0.0.1:9"),
        ('[relay]\npublic_url = "https://relay.test/"', "https://relay.test"),
    ],
)
def test_where_agents_find_the_relay(tmp_path: Path, text: str, url: str) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text(text)
    assert config.load(str(path))[1].relay.url() == url


def test_both_find_the_secret_in_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    path = tmp_path / "cobrowse.toml"
    for text in (
        "",
        f'[relay]\ndata_dir = "{tmp_path}/own"',
        f'token_secret_file = "{tmp_path}/named"\n[relay]\ndata_dir = "{tmp_path}/own"',
    ):
        path.write_text(text)
        proxy, relay = config.load(str(path))
        assert relay.secret() == proxy.secret_path().read_bytes().strip()
        assert proxy.secret_path().stat().st_mode & 0o777 == 0o600


def test_the_docs_hold_the_table_as_the_code_has_it() -> None:
    assert config_table() in (DOCS / "config.md").read_text()


def examples() -> list[str]:
    """The TOML in the docs."""
    paths = (DOCS / "config.md", DOCS / "deployment.md", DOCS.parent / "README.md")
    texts = [path.read_text() for path in paths]
    return [block.partition("```")[0] for text in texts for block in text.split("```toml\n")[1:]]


@pytest.mark.parametrize("example", examples())
def test_the_examples_in_the_docs_are_accepted(tmp_path: Path, example: str) -> None:
    load(tmp_path, example)


def test_relays_that_start_together_share_one_secret(tmp_path: Path) -> None:
    begin = Barrier(8)

    def secret(path: Path) -> bytes:
        begin.wait()
        return relay_conf.parse({"token_secret_file": str(path)}).secret()

    with ThreadPoolExecutor(8) as threads:
        for number in range(50):
            folder = tmp_path / str(number)
            assert len(set(threads.map(secret, [folder / "secret"] * 8))) == 1
            [made] = folder.iterdir()
            assert made.stat().st_mode & 0o777 == 0o600
