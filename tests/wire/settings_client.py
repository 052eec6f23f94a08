"""A browser's part of the settings page, without the browser."""

import html
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlencode

from relay.auth import make_login_key
from tests.stack import API_KEY, GROUP

PASSWORD = "obviously fake password"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    headers: Message
    body: str

    @property
    def cookie(self) -> str:
        return str(self.headers["Set-Cookie"] or "").partition(";")[0]

    def hidden(self, name: str) -> str:
        """The value of a form's hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.body)
        assert found is not None, self.body[:2000]
        return html.unescape(found[1])


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@dataclass
class Client:
    """Args: address: where a trusted proxy says that it is. group: whose page, unless another's."""

    url: str
    address: str = "203.0.113.1"
    group: str = GROUP
    cookie: str = ""

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            named.setdefault("Cookie", self.cookie)
        named.setdefault("X-Forwarded-For", self.address)
        request = urllib.request.Request(self.url + path, body, named)
        try:
            with urllib.request.build_opener(_StayHere).open(request, timeout=30) as response:
                return Answer(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        headers.setdefault("Content_Type", FORM)
        return self.ask(path, urlencode(fields).encode(), **headers)

    def log_in(self, **fields: str) -> Answer:
        answer = self.post("/settings/login", fields)
        if answer.status == 303:
            self.cookie = answer.cookie
        return answer

    def by_password(self, password: str = PASSWORD) -> Answer:
        return self.log_in(way="password", password=password)

    def by_key(self, user: str, group: str = GROUP, api_key: str = API_KEY) -> Answer:
        key = make_login_key(group, user, api_key, int(time.time()) + 60)
        return self.log_in(way="loginkey", partnerid=group, partneruserid=user, loginkey=key)

    def page(self, group: str = "") -> Answer:
        return self.ask(f"/settings/{group or self.group}")

    def change(self, action: str = "", group: str = "", **fields: str) -> Answer:
        """Send a form of the page as it is now, with other values in it."""
        group = group or self.group
        page = self.page(group)
        whole = {name: page.hidden(name) for name in ("form_token", "revision")}
        path = f"/settings/{group}" + (f"/{action}" if action else "")
        return self.post(path, {**whole, **fields})


def command(config: Path, *arguments: str, text: str = "") -> str:
    """What `cobrowse settings` prints."""
    whole = [sys.executable, "-m", "cobrowse", "settings", *arguments, "--config", str(config)]
    done = subprocess.run(whole, input=text, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout
