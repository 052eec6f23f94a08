import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.paths import Ours, classify, normalise

PREFIX = "/.cobrowse/"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/.cobrowse/loader.js", Ours.LOADER),
        ("/.cobrowse/loader.js?v=1", Ours.LOADER),
        ("/.cobrowse/capture.js", Ours.CAPTURE),
        ("/.cobrowse/ui.js", Ours.UI),
        ("/.cobrowse/settings?group=1", Ours.SETTINGS),
        ("/.cobrowse/take?to=/", Ours.TAKE),
        ("/.cobrowse/socket", Ours.SOCKET),
        ("/.cobrowse/token", Ours.TOKEN),
        ("//.cobrowse//token", Ours.TOKEN),
        ("/a/../.cobrowse/token", Ours.TOKEN),
        ("/%2ecobrowse/token", Ours.TOKEN),
        ("/.cobrowse%2ftoken", Ours.TOKEN),
        ("/.cobrowse\\token", Ours.TOKEN),
        ("/.cobrowse", Ours.UNKNOWN),
        ("/.cobrowse/", Ours.UNKNOWN),
        ("/.cobrowse/console", Ours.UNKNOWN),
        ("/.cobrowse/token/../../console", None),  # it is the site's /console
        ("/.cobrowse/../.cobrowse/console", Ours.UNKNOWN),
        ("/.cobrowse/%2e%2e/.cobrowse/cobrowse/AgentView.aspx", Ours.UNKNOWN),
        ("/.cobrowse/socket/../metrics", Ours.UNKNOWN),
        ("/.cobrowse/token%00", Ours.UNKNOWN),
        ("/.cobrowse/Token", Ours.UNKNOWN),
        ("/.cobrowsers/token", None),
        ("/shop/.cobrowse/token", None),
        ("/", None),
        ("*", None),
        ("", None),
        ("/%ff%00\udcff", None),
    ],
)
def test_what_a_path_asks_for(path: str, expected: Ours | None) -> None:
    assert classify(path, PREFIX) == expected


@given(st.text(alphabet="/.\\%2eEfFcobrwsetkn?#", max_size=40))
def test_normalising_twice_changes_nothing_more(path: str) -> None:
    once = normalise("/" + path)
    assert once.startswith(b"/")
    assert b"//" not in once and b"\\" not in once
    assert b".." not in once.split(b"/")
