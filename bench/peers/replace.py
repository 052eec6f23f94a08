"""The page taken whole, and a search for "<head>"."""

import os

from mitmproxy.http import HTTPFlow

SNIPPET = os.environ["BENCH_SNIPPET"].encode("ascii")


def response(flow: HTTPFlow) -> None:
    if flow.response is not None and flow.response.content is not None:
        flow.response.content = flow.response.content.replace(b"<head>", b"<head>" + SNIPPET, 1)
