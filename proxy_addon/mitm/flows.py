"""What is read from mitmproxy's flows, and answers in place of a server's."""

import re
from collections.abc import Container, Mapping
from typing import Final

from mitmproxy.http import HTTPFlow, Request, Response
from mitmproxy.proxy.mode_specs import ReverseMode

from proxy_addon import cookies
from proxy_addon.fields import Values
from proxy_addon.origins import STANDARD_PORTS, last_item, origin_of

BUFFERED_UPLOAD_BYTES: Final = 1024 * 1024
_ASSETS_COOKIE_VALUE: Final = re.compile(rb"[A-Za-z0-9_-]{22}")


def visitor_origin(
    flow: HTTPFlow, values: Values, trusted_peers: Container[str]
) -> tuple[str, str]:
    """scheme://host[:port] and host of the page, as the visitor's browser knows them."""
    request = flow.request
    scheme = "https" if flow.client_conn.tls else "http"
    if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
        scheme = request.scheme
    # As it was sent: mitmproxy's own properties decode punycode.
    authority = request.data.authority.decode("latin-1")
    netloc = authority or values.get("host") or request.host
    if flow.client_conn.peername[0] in trusted_peers:
        forwarded = last_item(values.get("x-forwarded-proto", ""))
        scheme = forwarded if forwarded in STANDARD_PORTS else scheme
        netloc = last_item(values.get("x-forwarded-host", "")) or netloc
    return origin_of(scheme, netloc.lower())


def assets_of(sent: Mapping[str, bytes]) -> str:
    """The visitor whose files pass, from a request's cookies; "" if not known yet."""
    value = sent.get(cookies.ASSETS_COOKIE, b"")
    return value.decode("ascii") if _ASSETS_COOKIE_VALUE.fullmatch(value) else ""


def has_body(request: Request, values: Values) -> bool:
    if _is_endless(request, values):
        return request.method not in ("GET", "HEAD")
    return "transfer-encoding" in values or values.get("content-length", "0").strip() != "0"


def stream_upload(flow: HTTPFlow, values: Values) -> None:
    """Let a large upload pass as it comes.

    A small one is kept whole, so that an origin that answers before it has read it all still gets
    its answer through.
    """
    request = flow.request
    request.stream = flow.response is None and _is_large(request, values)
    if request.stream and has_body(request, values) and _speaks_http1(flow):
        if _is_endless(request, values):  # mitmproxy frames a body by what the fields say
            request.headers["Transfer-Encoding"] = "chunked"


def _is_large(request: Request, values: Values) -> bool:
    length = values.get("content-length", "0")
    if "transfer-encoding" in values or _is_endless(request, values) or not length.isdecimal():
        return True
    return len(length) > 9 or int(length) > BUFFERED_UPLOAD_BYTES


def _is_endless(request: Request, values: Values) -> bool:
    """Whether a request may carry a body of any length, as it can in HTTP/2 without saying so."""
    return not request.http_version.startswith("HTTP/1") and "content-length" not in values


def _speaks_http1(flow: HTTPFlow) -> bool:
    """Whether the site will get this request by HTTP/1, as far as it is known yet."""
    known = flow.server_conn.alpn
    return flow.request.scheme == "http" or (known is not None and known != b"h2")


def plain(status: int, text: str, content_type: str = "text/plain") -> Response:
    return Response.make(
        status,
        text,
        {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
