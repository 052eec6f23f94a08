"""The settings page: log in, edit the staging copy, try it, publish it, bring versions back."""

import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from relay.account import AccountSettings
from relay.accounts import forms
from relay.accounts.admins import LOGIN_LIFETIME_S, Admin, Admins
from relay.accounts.live import Accounts, Conflict, Fixed
from relay.accounts.store import AccountStore
from relay.accounts.texts import BadSettings, changes, from_toml, to_toml
from relay.accounts.trial import Trial, TrialError
from relay.errors import Refused, TooMuch
from relay.pages import RETRY_AFTER_S
from relay.store import StoreError
from relay.visitor_pages import TAG_STUB, VisitorPages, body_of, file_response, public

PATH: Final = "/settings"
COOKIE: Final = "cobrowse_admin"
MAX_FORM_BYTES: Final = 1024 * 1024
BODY_TIMEOUT_S: Final = 20.0
MAX_FIELDS: Final = 4_000
VERSIONS_SHOWN: Final = 50
ENTRIES_SHOWN: Final = 100
# The page shows others' pages without anything of theirs being fetched, and our own script.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_PREVIEW_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_DONE: Final = {
    "saved": "Saved for staging. Visitors of the production site get it when you publish it.",
    "published": "Published. Visitors get it from now on.",
    "brought": "Brought back for staging. Publish it to let visitors have it.",
    "imported": "Imported for staging. Publish it to let visitors have it.",
}
_CONFLICT: Final = (
    "Somebody else has changed these settings meanwhile. What you filled in is still here, and "
    "nothing of it is saved: compare it with theirs below, and save again to put it over theirs."
)

Page = Callable[["SettingsPages", Request, Admin], Awaitable[Response]]


def _for_admins(page: Page) -> Callable[["SettingsPages", Request], Awaitable[Response]]:
    """Only for who is logged in, and may change the group; forms only from pages of ours."""

    @wraps(page)
    async def checked(self: "SettingsPages", request: Request) -> Response:
        try:
            admin = await self.admins.read(request.cookies.get(COOKIE, ""))
            group = request.path_params.get("group")
            if group is not None and (group not in self.accounts or not admin.may(group)):
                return self.message(404, "There is no such group, or it is not yours.")
            if request.method == "POST" and not _is_own(request):
                return self.message(403, "This form did not come from our own page.")
            return await page(self, request, admin)
        except Refused as refusal:
            if request.cookies.get(COOKIE):
                return self.login(request, 403, refusal.message)
            return self.login(request, 200 if request.method == "GET" else 403, "")
        except StoreError:
            return self.message(503, "The store gives no answer now. Nothing was changed.")

    return checked


class SettingsPages:
    """Args: static: as VisitorPages takes it; visitors: answers for the scripts of the preview."""

    def __init__(
        self,
        accounts: Accounts,
        store: AccountStore,
        admins: Admins,
        trial: Trial,
        visitors: VisitorPages,
    ) -> None:
        self.accounts, self.admins = accounts, admins
        self._store, self._trial, self._visitors = store, trial, visitors
        self._templates = Environment(loader=PackageLoader("relay"), autoescape=select_autoescape())
        self._templates.filters |= {"when": _when, "code": _code}

    def routes(self) -> list[Route]:
        group = PATH + "/{group}"

        def to(page: Any) -> Any:
            async def endpoint(request: Request) -> Response:
                response: Response = await page(self, request)
                return response

            return endpoint

        post, kind = ["POST"], SettingsPages
        return [
            Route(PATH, to(kind.groups)),
            Route(f"{PATH}/login", to(kind.log_in), methods=post),
            Route(f"{PATH}/logout", to(kind.log_out), methods=post),
            Route(group, to(kind.edit)),
            Route(group, to(kind.save), methods=post),
            Route(f"{group}/publish", to(kind.publish), methods=post),
            Route(f"{group}/bring-back", to(kind.bring_back), methods=post),
            Route(f"{group}/import", to(kind.take_in), methods=post),
            Route(f"{group}/settings.toml", to(kind.export)),
            Route(f"{group}/trial", to(kind.trial), methods=post),
            Route(f"{group}/preview", to(kind.prepare), methods=post),
            Route(f"{group}/preview/", to(kind.preview)),
            Route(f"{group}/preview/{{token}}/{{name}}", to(kind.previewed)),
        ]

    # -- logging in ------------------------------------------------------------------------------

    async def log_in(self, request: Request) -> Response:
        if not _is_own(request):
            return self.message(403, "This form did not come from our own page.")
        sent = dict(await _form(request))
        address = request.client.host if request.client else ""
        way = sent.get("way", "")
        try:
            if way == "password":
                admin = await self.admins.by_password(address, sent.get("password", ""))
            elif way == "token":
                admin = await self.admins.by_token(address, sent.get("token", "").strip())
            else:
                admin = await self.admins.by_login_key(
                    address,
                    sent.get("partnerid", "").strip(),
                    sent.get("partneruserid", "").strip(),
                    sent.get("loginkey", "").strip(),
                )
            cookie = await self.admins.begin(admin)
        except TooMuch:
            wait = "Too many wrong tries came from your address. Try again in an hour."
            response = self.login(request, 429, wait, way)
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
            return response
        except Refused as refusal:
            return self.login(request, 403, refusal.message, way)
        except StoreError:
            return self.login(request, 503, "The store gives no answer now. Try again.", way)
        response = _see(PATH)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=LOGIN_LIFETIME_S,
            path=PATH,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @_for_admins
    async def log_out(self, request: Request, _: Admin) -> Response:
        await self.admins.end(request.cookies[COOKIE])
        response = _see(PATH)
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
        return response

    def login(self, request: Request, status: int, message: str, way: str = "") -> Response:
        return self._page("settings_login.html", status, message=message, way=way)

    # -- showing ---------------------------------------------------------------------------------

    @_for_admins
    async def groups(self, request: Request, admin: Admin) -> Response:
        groups = [group for group in self.accounts.groups() if admin.may(group)]
        if len(groups) == 1:
            return _see(f"{PATH}/{quote(groups[0])}")
        shown = [(group, self.accounts.is_fixed(group)) for group in groups]
        return self._page("settings_groups.html", 200, **self._about(request, admin), groups=shown)

    @_for_admins
    async def edit(self, request: Request, admin: Admin) -> Response:
        current = self.accounts.current(request.path_params["group"])
        done = _DONE.get(request.query_params.get("done", ""), "")
        values = forms.values_of(current.staging)
        return await self._edit(request, admin, 200, values, {}, done=done)

    async def _edit(
        self,
        request: Request,
        admin: Admin,
        status: int,
        values: Mapping[str, Any],
        problems: Mapping[str, str],
        **more: Any,
    ) -> Response:
        group = request.path_params["group"]
        current = self.accounts.current(group)
        return self._page(
            "settings.html",
            status,
            **self._about(request, admin),
            group=group,
            fixed=self.accounts.is_fixed(group),
            several=len([g for g in self.accounts.groups() if admin.may(g)]) > 1,
            current=current,
            sections=forms.fields(values, problems),
            problems=problems,
            changes=changes(current.published, current.staging),
            versions=await self._store.versions(group, VERSIONS_SHOWN),
            entries=await self._store.entries(group, ENTRIES_SHOWN),
            origins=self._trial.origins,
            toml=to_toml(current.staging),
            **more,
        )

    @_for_admins
    async def export(self, request: Request, _: Admin) -> Response:
        group = request.path_params["group"]
        text = to_toml(self.accounts.current(group).staging)
        named = re.sub(r"[^A-Za-z0-9_-]", "_", group)
        return PlainTextResponse(
            text,
            headers={"Content-Disposition": f'attachment; filename="settings-{named}.toml"'},
            media_type="application/toml",
        )

    # -- changing --------------------------------------------------------------------------------

    @_for_admins
    async def save(self, request: Request, admin: Admin) -> Response:
        pairs = await _form(request)
        filled = forms.read(pairs)
        if not self._is_ours(request, pairs):
            return self.message(403, "This form did not come from our own page.")
        if filled.account is None:
            return await self._edit(request, admin, 400, filled.values, filled.problems)
        group, revision = request.path_params["group"], _number(dict(pairs).get("revision"))
        try:
            await self.accounts.save(group, filled.account, revision, admin.who)
        except Conflict:
            theirs = changes(filled.account, self.accounts.current(group).staging)
            return await self._edit(
                request, admin, 409, filled.values, {}, conflict=_CONFLICT, theirs=theirs
            )
        except BadSettings as error:
            wrong = f"Nothing is saved: {error}."
            return await self._edit(request, admin, 400, filled.values, {}, wrong=wrong)
        except Fixed:
            return self.message(403, _FIXED)
        return _see(f"{PATH}/{quote(group)}?done=saved")

    @_for_admins
    async def publish(self, request: Request, admin: Admin) -> Response:
        async def act(group: str, sent: Mapping[str, str]) -> None:
            revision = _number(sent.get("revision"))
            await self.accounts.publish(group, revision, admin.who, sent.get("note", ""))

        return await self._change(request, admin, act, "published")

    @_for_admins
    async def bring_back(self, request: Request, admin: Admin) -> Response:
        async def act(group: str, sent: Mapping[str, str]) -> None:
            number, revision = _number(sent.get("number")), _number(sent.get("revision"))
            await self.accounts.bring_back(group, number, revision, admin.who)

        return await self._change(request, admin, act, "brought")

    @_for_admins
    async def take_in(self, request: Request, admin: Admin) -> Response:
        async def act(group: str, sent: Mapping[str, str]) -> None:
            account = from_toml(sent.get("toml", ""))
            revision = _number(sent.get("revision"))
            await self.accounts.save(group, account, revision, admin.who, "imported")

        return await self._change(request, admin, act, "imported")

    async def _change(
        self,
        request: Request,
        admin: Admin,
        act: Callable[[str, Mapping[str, str]], Awaitable[None]],
        done: str,
    ) -> Response:
        group = request.path_params["group"]
        pairs = await _form(request)
        if not self._is_ours(request, pairs):
            return self.message(403, "This form did not come from our own page.")
        sent = dict(pairs)
        try:
            await act(group, sent)
        except Fixed:
            return self.message(403, _FIXED)
        except (Conflict, BadSettings, KeyError) as error:
            status, wrong = 409, "Somebody else has changed these settings meanwhile. Look again."
            if isinstance(error, BadSettings):
                status, wrong = 400, f"Nothing was imported. {error}."
            elif isinstance(error, KeyError):
                status, wrong = 404, "There is no such version."
            values = forms.values_of(self.accounts.current(group).staging)
            more = {"toml": sent["toml"]} if "toml" in sent else {}
            return await self._edit_with(request, admin, status, values, wrong, more)
        return _see(f"{PATH}/{quote(group)}?done={done}")

    async def _edit_with(
        self,
        request: Request,
        admin: Admin,
        status: int,
        values: Mapping[str, Any],
        wrong: str,
        more: Mapping[str, object],
    ) -> Response:
        return await self._edit(request, admin, status, values, {}, wrong=wrong, typed=more)

    # -- trying ----------------------------------------------------------------------------------

    @_for_admins
    async def trial(self, request: Request, _: Admin) -> Response:
        sent = dict(await _form(request))
        try:
            return JSONResponse({"html": await self._trial.page(sent.get("url", "").strip())})
        except TrialError as error:
            return JSONResponse({"problem": str(error)}, 400)

    @_for_admins
    async def prepare(self, request: Request, admin: Admin) -> Response:
        """Keep what the form says now, for the preview in its frame."""
        filled = forms.read(await _form(request))
        if filled.account is None:
            return JSONResponse({"problems": dict(filled.problems)}, 400)
        await self._keep_preview(request, filled.account)
        return JSONResponse({})

    @_for_admins
    async def preview(self, request: Request, _: Admin) -> Response:
        group, token = request.path_params["group"], self._preview_token(request)
        if not await self._store.secret(_preview_name(group, token)):
            await self._keep_preview(request, self.accounts.current(group).staging)
        return self._page(
            "settings_preview.html", 200, policy=_PREVIEW_POLICY, group=group, token=token
        )

    async def _keep_preview(self, request: Request, account: AccountSettings) -> None:
        """Where each relay finds it."""
        name = _preview_name(request.path_params["group"], self._preview_token(request))
        text = msgspec.json.encode(public(account)).decode()
        await self._store.keep_secret(name, text, time.time() + LOGIN_LIFETIME_S)

    def _preview_token(self, request: Request) -> str:
        return self.admins.form_token("preview:" + request.cookies.get(COOKIE, ""))

    async def previewed(self, request: Request) -> Response:
        """The visitor's real scripts, with the settings of the form.

        They ask without cookies, from a frame of no origin: who knows the token may see what
        visitors will see.
        """
        group, token, name = (request.path_params[n] for n in ("group", "token", "name"))
        try:
            kept = await self._store.secret(_preview_name(group, token))
        except StoreError:
            kept = ""
        if not kept:
            return PlainTextResponse("There is no such preview.\n", 404)
        if name == "settings":
            return file_response(request, kept.encode(), "application/json")
        if name == "tag.js":
            base = str(request.url.replace(query=""))[: -len(name)]
            config = {
                "base": base,
                "group": group,
                "site": "staging",
                "socket": re.sub("^http", "ws", base) + "socket",  # there is none
                "identity": {},
                "tag": True,
            }
            return self._visitors.placed(request, TAG_STUB, config)
        return await self._visitors.script(request)

    # -- what all have in common -----------------------------------------------------------------

    def _about(self, request: Request, admin: Admin) -> dict[str, Any]:
        return {
            "admin": admin,
            "form_token": self.admins.form_token(request.cookies.get(COOKIE, "")),
        }

    def _is_ours(self, request: Request, pairs: list[tuple[str, str]]) -> bool:
        wanted = self.admins.form_token(request.cookies.get(COOKIE, ""))
        return hmac.compare_digest(wanted.encode(), dict(pairs).get("form_token", "").encode())

    def message(self, status: int, text: str) -> Response:
        return self._page("settings_message.html", status, message=text)

    def _page(
        self, template: str, status: int, *, policy: str = _POLICY, **values: Any
    ) -> Response:
        text = self._templates.get_template(template).render(path=PATH, **values)
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            # With "no-referrer" browsers would not say that a form comes from our own page.
            "Referrer-Policy": "same-origin",
        }
        return HTMLResponse(text, status, headers)


_FIXED: Final = "The settings of this group stand in the config file: change them there."


def _preview_name(group: str, token: str) -> str:
    return f"preview:{hashlib.sha256(f'{group}:{token}'.encode()).hexdigest()}"


def _is_own(request: Request) -> bool:
    """Whether a form came from a page of ours: browsers say so, in one way or the other."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.url.netloc}"


async def _form(request: Request) -> list[tuple[str, str]]:
    """What was sent; nothing of it if it is too much, or no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await body_of(request, MAX_FORM_BYTES, BODY_TIMEOUT_S)
    if kind != "application/x-www-form-urlencoded" or len(body) > MAX_FORM_BYTES:
        return []
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return []


def _see(path: str) -> Response:
    return Response(None, 303, {"Location": path, "Cache-Control": "no-store"})


def _number(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text) else -1


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) + " UTC"


def _code(text: str) -> Markup:
    """Escaped, with what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
