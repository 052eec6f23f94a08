"""The page parsed by BeautifulSoup and written again."""

import os

from bs4 import BeautifulSoup
from mitmproxy.http import HTTPFlow

SNIPPET = os.environ["BENCH_SNIPPET"]


def response(flow: HTTPFlow) -> None:
    if flow.response is not None and flow.response.content is not None:
        page = BeautifulSoup(flow.response.content, "lxml")
        if page.head is not None:
            page.head.insert(0, BeautifulSoup(SNIPPET, "html.parser"))
        flow.response.content = str(page).encode("utf-8")
