"""The cobrowse command: reads its arguments, and starts or prints what they ask for."""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
import shtab

import proxy_addon
from certs.authority import AUTHORITY_FILE, CERTIFICATE_FILE, authority, leaf
from certs.trust import steps
from cobrowse import accounts, config, loginkeys, records, up
from cobrowse.processes import StartError
from relay.errors import SetupError
from relay.settings import Settings

# Of cobrowse check, whose other codes are grades.
NOT_CHECKED: Final = 3
EPILOG: Final = """cobrowse COMMAND --help shows examples; cobrowse demo is the one to begin with"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. Ends the process with status 2 and one line for what the user can mend."""
    given, extra = _split(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    arguments = parser.parse_args(given, argparse.Namespace(extra=extra))
    if extra and arguments.run is not _browse:
        parser.error(f"unrecognized arguments: {' '.join(['--', *extra])}")
    try:
        arguments.run(arguments)
    except (config.ConfigError, StartError, SetupError, ValueError) as error:
        sys.exit(f"cobrowse: {error}")
    except KeyboardInterrupt:
        print("\nStopped.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cobrowse",
        description="Co-browsing for sites that cannot be changed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("cobrowse-proxy"))
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = _command(
        commands,
        "demo",
        "a demo bank, the proxy and the relay on this machine",
        "cobrowse demo",
        "cobrowse demo --listen 127.0.0.1:9000 --relay-listen 127.0.0.1:9001",
    )
    demo.set_defaults(run=lambda a: up.demo(a.listen, a.relay_listen))
    in_front = _command(
        commands,
        "up",
        "the proxy in front of a site, and the relay",
        "cobrowse up --origin http://legacy.example --listen 0.0.0.0:8080",
        "cobrowse up --config cobrowse.toml",
        "cobrowse up --forward --include shop.example --include '*.shop.example'",
    )
    in_front.add_argument("--origin", metavar="URL", help="the site, over the config file's")
    in_front.add_argument("--config", metavar="FILE", help="cobrowse.toml (see docs/config.md)")
    in_front.add_argument(
        "--forward", action="store_true", help="a proxy for browsers, in front of many sites"
    )
    _include_option(in_front)
    in_front.set_defaults(run=_up)
    for command in (demo, in_front):
        command.add_argument("--listen", metavar="HOST:PORT", help="where visitors come in")
        command.add_argument("--relay-listen", metavar="HOST:PORT", help="where the relay listens")

    browse = _command(
        commands,
        "browse",
        "open anybody's page in a browser that goes through the proxy",
        "cobrowse browse https://shop.example/",
        "cobrowse browse shop.example --include login.example -- --window-size=1280,800",
        more="what stands behind -- are further arguments of the browser",
    )
    browse.add_argument("url", metavar="URL")
    _include_option(browse)
    browse.add_argument("--browser", metavar="PATH", help="Chromium, Chrome or Edge")
    browse.add_argument("--config", metavar="FILE", help="cobrowse.toml")
    browse.set_defaults(run=_browse)

    check = _command(
        commands,
        "check",
        "say whether a site would work, page by page",
        "cobrowse check https://shop.example/ --crawl 10 --html report.html",
        "cobrowse check https://shop.example/ --login-cookie @cookies.txt --json -",
        more="ends with 0: fine, 1: degraded, 2: broken, 3: could not be checked",
    )
    check.add_argument("url", metavar="URL")
    check.add_argument(
        "--crawl", metavar="N", type=int, default=1, help="follow links, to so many pages in all"
    )
    check.add_argument(
        "--login-cookie",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="cookie of somebody who is logged in, or @FILE with one on each line",
    )
    check.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=180, help="for each page; 180"
    )
    check.add_argument("--html", metavar="FILE", help="write a page with the pictures")
    check.add_argument("--json", metavar="FILE", help="write JSON; -, print it alone")
    _include_option(check)
    check.add_argument("--browser", metavar="PATH", help="Chromium, Chrome or Edge")
    check.add_argument("--config", metavar="FILE", help="cobrowse.toml with cookies and masks")
    check.set_defaults(run=_check)

    certs = _command(
        commands,
        "certs",
        "make a development authority, and say how to trust it",
        "cobrowse certs --host shop.example --host '*.shop.example'",
        "cobrowse certs --host shop.example --relay relay.example",
    )
    certs.add_argument(
        "--host", metavar="HOST", action="append", help="that it is for; more may be given"
    )
    certs.add_argument("--relay", metavar="HOST", help="make a certificate for the relay, too")
    certs.add_argument("--out", metavar="DIR", help="folder; not given, below the data folder")
    certs.add_argument("--config", metavar="FILE", help="cobrowse.toml")
    certs.set_defaults(run=_certs)

    proxy = _command(
        commands,
        "proxy",
        "the proxy alone",
        "cobrowse proxy --config cobrowse.toml",
        "cobrowse proxy --config cobrowse.toml --listen 0.0.0.0:8080",
    )
    proxy.add_argument("--config", metavar="FILE", help="cobrowse.toml")
    proxy.add_argument("--listen", metavar="HOST:PORT", help="over the config file's")
    proxy.add_argument("--origin", metavar="URL", help="the site, over the config file's")
    proxy.set_defaults(run=lambda a: up.proxy(a.config, a.origin, a.listen))

    relay = _command(
        commands,
        "relay",
        "the relay alone",
        "cobrowse relay --config cobrowse.toml",
        "cobrowse relay --config cobrowse.toml --relay-listen 127.0.0.1:8082",
    )
    relay.add_argument("--config", metavar="FILE", default="", help="cobrowse.toml")
    relay.add_argument("--relay-listen", metavar="HOST:PORT", help="over the config file's")
    relay.add_argument("--origin", metavar="URL", help="the site, over the config file's")
    relay.add_argument("--quiet", action="store_true", help="say nothing while all is well")
    relay.set_defaults(run=_relay)

    loginkey = _command(
        commands,
        "loginkey",
        "make or check an agent's credential",
        "cobrowse loginkey --group 12345 --user anna",
        "cobrowse loginkey --user anna --ttl 60",
        "cobrowse loginkey --user anna --check '$1$1795…'",
    )
    loginkey.add_argument(
        "--group", metavar="ID", default="", help="group id; not needed when there is one"
    )
    loginkey.add_argument("--user", metavar="ID", required=True, help="the agent's own id")
    loginkey.add_argument("--ttl", metavar="SECONDS", type=int, default=3600)
    loginkey.add_argument(
        "--check", metavar="KEY", help="say whether this one is accepted, and if not, why"
    )
    loginkey.add_argument("--config", metavar="FILE", help="cobrowse.toml with the API key")
    loginkey.set_defaults(run=_loginkey)

    sessions = _command(
        commands,
        "sessions",
        "list, export or erase session records",
        "cobrowse sessions list --group 12345",
        "cobrowse sessions export --format csv > sessions.csv",
        "cobrowse sessions erase --visitor 59204gh_42",
    )
    what = sessions.add_subparsers(required=True, metavar="ACTION")
    listing = what.add_parser("list", help="the newest, as a table")
    listing.set_defaults(run=lambda a: records.show(_records_of(a), a.group, a.visitor))
    exporting = what.add_parser("export", help="all of them, on standard output")
    exporting.add_argument("--format", choices=("csv", "json"), default="json")
    exporting.set_defaults(
        run=lambda a: records.export(_records_of(a), a.group, a.visitor, a.format)
    )
    erasing = what.add_parser("erase", help="forget all that is known of a visitor")
    erasing.set_defaults(run=lambda a: records.erase(_records_of(a), a.group, a.visitor))
    for action in (listing, exporting, erasing):
        action.add_argument("--group", metavar="ID", default="", help="of this group only")
        action.add_argument(
            "--visitor",
            metavar="ID",
            default="",
            required=action is erasing,
            help="of this visitor id only",
        )
        action.add_argument("--config", metavar="FILE", help="cobrowse.toml that names the store")

    _settings_commands(commands)

    addon = _command(
        commands,
        "addon",
        "print the addon's path, for mitmdump -s",
        'mitmdump -s "$(cobrowse addon)" --mode reverse:http://legacy.example \\\n'
        "      --set block_global=false --set cobrowse_config=cobrowse.toml",
    )
    addon.set_defaults(run=lambda _: print(Path(proxy_addon.__file__).with_name("addon.py")))

    completion = _command(
        commands,
        "complete",
        "print what completes our commands in a shell",
        "cobrowse complete bash > ~/.local/share/bash-completion/completions/cobrowse",
        'cobrowse complete zsh > "${fpath[1]}/_cobrowse"',
    )
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    completion.set_defaults(run=lambda a: print(shtab.complete(parser, a.shell)))
    return parser


def _command(commands: Any, name: str, text: str, *examples: str, more: str = "") -> Any:
    """A command with examples of its use. more: what else stands below its options."""
    shown = "\n".join(["examples:", *(f"  {example}" for example in examples)])
    return commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"{shown}\n\n{more}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _include_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--include",
        metavar="HOST",
        action="append",
        help="also open this host, as shop.test or *.shop.test; more may be given",
    )


def _up(arguments: argparse.Namespace) -> None:
    if arguments.include and not arguments.forward:
        raise StartError("--include goes with --forward")
    include = (arguments.include or []) if arguments.forward else None
    up.up(arguments.config, arguments.origin, arguments.listen, arguments.relay_listen, include)


def _split(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those behind "--", which are another program's."""
    at = list(given).index("--") if "--" in given else len(given)
    return list(given[:at]), list(given[at + 1 :])


def _browse(arguments: argparse.Namespace) -> None:
    a = arguments
    up.browse(a.url, a.config, a.include or [], a.browser, a.extra)


def _check(arguments: argparse.Namespace) -> NoReturn:
    a = arguments
    try:
        from cobrowse.check import command
    except ModuleNotFoundError as error:
        print(
            f"cobrowse: check needs {error.name}: pip install 'cobrowse-proxy[check]'",
            file=sys.stderr,
        )
        sys.exit(NOT_CHECKED)
    try:
        cookies = command.cookies_of(a.login_cookie)
        asked = command.Asked(
            url=a.url,
            pages=a.crawl,
            timeout_s=a.timeout,
            cookies=cookies,
            include=tuple(a.include or ()),
            config=a.config,
            browser=a.browser,
        )
        sys.exit(command.run(asked, a.html, a.json))
    except (config.ConfigError, StartError, SetupError, ValueError) as error:
        print(f"cobrowse: {error}", file=sys.stderr)
        sys.exit(NOT_CHECKED)
    except Exception:
        # Python's own code for it would say "degraded".
        traceback.print_exc()
        sys.exit(NOT_CHECKED)


def _certs(arguments: argparse.Namespace) -> None:
    path = arguments.config or config.own_file()
    proxy, relay = config.load(path)
    folder = Path(arguments.out).expanduser() if arguments.out else relay.data_dir() / "certs"
    hosts = [pattern.partition("/")[0] for pattern in proxy.proxy.include]
    hosts += [*(arguments.host or ()), *filter(None, [arguments.relay])]
    if not hosts:
        raise StartError("whose? Say --host shop.example; more may be given")
    made = authority(folder, [host.strip("[]") for host in hosts])
    if made.replaced:
        print(f"{up.REPLACED}\n")
    ends = made.certificate.not_valid_after_utc
    print(f"Authority    {folder / CERTIFICATE_FILE}, good until {ends:%Y-%m-%d} for")
    print(f"             {', '.join(hosts)}")
    print(f"Its key      {folder / AUTHORITY_FILE}: keep it to yourself")
    if arguments.relay:
        signed = leaf(made, [arguments.relay], folder / "relay.pem")
        print(f'The relay    [relay] cert = "{signed}"')
    print(f"\n{steps(folder / CERTIFICATE_FILE)}", end="")


def _relay(arguments: argparse.Namespace) -> None:
    _, settings = config.load(arguments.config)
    if arguments.relay_listen:
        relay = msgspec.structs.replace(settings.relay, listen=arguments.relay_listen)
        settings = msgspec.structs.replace(settings, relay=relay)
    if arguments.origin:
        proxy = msgspec.structs.replace(settings.proxy, origin=arguments.origin)
        settings = msgspec.structs.replace(settings, proxy=proxy)
    # Slow to load, and no other command needs it.
    from relay.server import run

    run(settings, quiet=arguments.quiet)


def _settings_commands(commands: Any) -> None:
    settings = _command(
        commands,
        "settings",
        "account settings, and who may change them",
        "cobrowse settings export > settings.toml",
        "cobrowse settings import settings.toml --publish",
        "cobrowse settings restore 3",
        "cobrowse settings password",
    )
    what = settings.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, text: str, run: Callable[[argparse.Namespace, Settings], None]) -> Any:
        made = what.add_parser(name, help=text)
        made.add_argument("--config", metavar="FILE", help="cobrowse.toml that names the store")
        made.set_defaults(run=lambda a: run(a, _records_of(a)))
        return made

    def of_group(name: str, text: str, run: Callable[[argparse.Namespace, Settings], None]) -> Any:
        made = action(name, text, run)
        made.add_argument(
            "--group", metavar="ID", default="", help="group id; not needed when there is one"
        )
        return made

    export = of_group(
        "export",
        "print them as TOML",
        lambda a, s: accounts.export(s, a.group, a.site),
    )
    export.add_argument("--site", choices=("production", "staging"), default="production")
    taking = of_group(
        "import",
        "take them from a TOML file, for staging",
        lambda a, s: accounts.take_in(s, a.group, a.file, publish=a.publish),
    )
    taking.add_argument("file", metavar="FILE", help="- for standard input")
    taking.add_argument("--publish", action="store_true", help="and publish them at once")
    of_group("list", "the published versions", lambda a, s: accounts.show(s, a.group))
    publishing = of_group(
        "publish",
        "let visitors have the staging copy",
        lambda a, s: accounts.publish(s, a.group, a.note),
    )
    publishing.add_argument("--note", default="", help="what it is about")
    restoring = of_group(
        "restore",
        "make an earlier version the staging copy, and publish it",
        lambda a, s: accounts.restore(s, a.group, a.number),
    )
    restoring.add_argument("number", metavar="VERSION", type=int)
    action("password", "set the password of the settings page", lambda _, s: accounts.password(s))
    action("token", "make a token that opens it once", lambda _, s: accounts.token(s))


def _records_of(arguments: argparse.Namespace) -> Settings:
    return config.load(arguments.config or config.own_file())[1]


def _loginkey(arguments: argparse.Namespace) -> None:
    path = arguments.config or config.own_file()
    if arguments.check is None:
        print(loginkeys.make(path, arguments.group, arguments.user, arguments.ttl))
        return
    accepted, why = loginkeys.check(path, arguments.group, arguments.user, arguments.check)
    print(why)
    if not accepted:
        sys.exit(1)
