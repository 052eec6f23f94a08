"""docs/loginkey.md: its programs make the published keys, and --check says what it says there."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cobrowse.loginkeys import problems_of
from relay.auth import check_login_key, make_login_key
from relay.errors import Refused
from relay.settings import parse
from tests.node_clients import node
from tests.unit.test_auth import VECTORS

DOCS = (Path(__file__).parent.parent.parent / "docs" / "loginkey.md").read_text()
NOW = 1_800_000_000
SETTINGS = parse(
    {
        "groups": {
            "12345": {"api_key": "new", "previous_api_key": "old", "agents": ["anna", "bert"]},
            "6": {"api_key": "of six"},
            "7": {},
        }
    }
)


def program(language: str, folder: Path) -> list[str]:
    """The command that runs the doc's program in a language; skips where it cannot be run."""
    [code] = re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    suffix = {"csharp": "cs", "java": "java", "javascript": "cjs", "php": "php", "python": "py"}
    path = folder / f"LoginKey.{suffix[language]}"
    path.write_text(code)
    match language:
        case "python":
            return [sys.executable, str(path)]
        case "javascript":
            return [node(), str(path)]
        case "csharp":
            compiler, runtime = shutil.which("mcs"), shutil.which("mono")
            if not compiler or not runtime:
                pytest.skip("runtime absent: mono")
            subprocess.run([compiler, f"-out:{folder}/key.exe", str(path)], check=True)
            return [runtime, f"{folder}/key.exe"]
        case _:
            runtime = shutil.which(language)
            # Java runs a source file only with its compiler at hand.
            if not runtime or (language == "java" and not shutil.which("javac")):
                pytest.skip(f"runtime absent: {language}")
            return [runtime, str(path)]


def test_the_vectors_are_the_published_ones() -> None:
    rows = re.findall(r"^\| `(\d+)` \| `(\w+)` \| `(\d+)` \| `(\w+)` \| `(.+)` \|$", DOCS, re.M)
    assert [(p, u, int(e), a, k) for p, u, e, a, k in rows] == VECTORS


@pytest.mark.parametrize("language", ["csharp", "java", "javascript", "php", "python"])
def test_the_programs_make_the_published_keys(language: str, tmp_path: Path) -> None:
    command = program(language, tmp_path)
    others = [("7", "é ü/+ 🙂", 1_900_000_000, "ключ", "")]
    for partner, user, expiry, api_key, _ in [*VECTORS, *others]:
        ended = subprocess.run(
            [*command, partner, user, api_key, str(expiry)],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)},
        )
        made = make_login_key(partner, user, api_key, expiry)
        assert ended.stdout.strip() == made, ended.stderr


def key(user: str = "anna", group: str = "12345", api_key: str = "new", ttl: int = 60) -> str:
    return make_login_key(group, user, api_key, NOW + ttl)


@pytest.mark.parametrize(
    ("login_key", "group", "user", "said"),
    [
        (key(), "8", "anna", ["group unknown: there is no [groups.8]; there is: 12345, 6, 7"]),
        (key(), "7", "anna", ["group closed"]),
        (key("dora"), "12345", "dora", ["user shut out: 'dora'"]),
        (key(ttl=-31), "12345", "anna", ["expired: 31 s ago"]),
        (key(ttl=86_431), "12345", "anna", ["too far ahead: it expires in 86431 s"]),
        (
            make_login_key("12345", "anna", "new", NOW * 100),
            "12345",
            "anna",
            ["too far ahead"],
        ),
        (key(api_key="guess"), "12345", "anna", ["wrong key: the signature is of another API key"]),
        (key("bert"), "12345", "anna", ["wrong key"]),
        (key(group="6", api_key="of six"), "12345", "anna", ["the group 6"]),
        (key(api_key="guess", ttl=-99), "12345", "dora", ["shut out", "expired", "wrong key"]),
        (key() + "=", "12345", "anna", ["malformed: its signature has padding"]),
        (key()[:-1] + "+", "12345", "anna", ["malformed: its signature is in base64 with"]),
        (key()[:-1], "12345", "anna", ["malformed: its signature has 42 characters"]),
        ("$1$1$" + "ab" * 32, "12345", "anna", ["malformed: its signature is in hex"]),
        (key().replace("$1$", "$2$", 1), "12345", "anna", ["malformed: its version is '2'"]),
        ("$1$soon$x", "12345", "anna", ["malformed: its expiry is 'soon'"]),
        (f"$1${NOW}000$x", "12345", "anna", ["malformed: its expiry is '1800000000000'"]),
        (key().replace("$", "%24"), "12345", "anna", ["malformed: it is percent-encoded"]),
        (f" {key()}", "12345", "anna", ["malformed: there is white space"]),
        ("", "12345", "anna", ["malformed: it must be $1$expiry$signature"]),
        ("1800000060", "12345", "anna", ["malformed: it must be"]),
    ],
)
def test_everything_that_is_wrong_is_told(
    login_key: str, group: str, user: str, said: list[str]
) -> None:
    problems = problems_of(SETTINGS, group, user, login_key, NOW)
    assert len(problems) == len(said), problems
    for problem, part in zip(problems, said, strict=True):
        assert part in problem
    if "shut out" in said[0]:
        return  # the relay looks at that behind the key
    keys = {name: values.api_keys() for name, values in SETTINGS.groups.items()}
    with pytest.raises(Refused):
        check_login_key(group, user, login_key, keys, NOW, SETTINGS.relay.clock_skew_s)


@pytest.mark.parametrize("api_key", ["new", "old"])
@pytest.mark.parametrize("ttl", [1, -29, 86_400])
def test_a_good_key_has_no_problem(api_key: str, ttl: int) -> None:
    assert problems_of(SETTINGS, "12345", "anna", key(api_key=api_key, ttl=ttl), NOW) == []


def test_the_command_makes_and_checks_keys(tmp_path: Path) -> None:
    config = tmp_path / "cobrowse.toml"
    config.write_text(
        '[groups.12345]\napi_key = "new"\nprevious_api_key = "old"\nadmins = ["chief"]\n'
        "loginkey_single_use = true\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cobrowse", "loginkey", "--config", str(config)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)

    made = run("--group", "12345", "--user", "anna", "--ttl", "300").stdout.strip()
    expiry = check_login_key("12345", "anna", made, {"12345": ("new",)}, time.time())
    assert 200 < expiry - time.time() <= 300
    good = run("--user", "anna", "--check", made)
    assert good.returncode == 0 and re.match(
        r"Accepted for another \d+ s\.\nRole: agent", good.stdout
    )
    assert "previous_api_key" not in good.stdout and "counts once" in good.stdout
    old = make_login_key("12345", "chief", "old", expiry)
    accepted = run("--user", "chief", "--check", old)
    assert "administrator" in accepted.stdout and "previous_api_key" in accepted.stdout
    bad = run("--user", "berta", "--check", made)
    assert bad.returncode == 1 and bad.stdout.startswith("Refused:\n  - wrong key: ")
    assert "new" not in bad.stdout and bad.stderr == ""
