import pytest

from proxy_addon import policy
from proxy_addon.fields import Fields


def fields(text: str) -> Fields:
    pairs = (line.partition(": ") for line in text.split("\n") if line)
    return tuple((k.encode(), v.encode("latin-1")) for k, _, v in pairs)


@pytest.mark.parametrize(
    ("method", "text", "expected"),
    [
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", policy.SPLICE),
        ("POST", "Sec-Fetch-Mode: navigate", policy.SPLICE),
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: empty", policy.SPLICE),  # service worker
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe", "frame"),
        ("GET", "Sec-Fetch-Mode: cors\nAccept: text/html", "not a navigation"),
        ("GET", "Sec-Fetch-Mode: no-cors", "not a navigation"),
        ("GET", "Accept: text/html,*/*;q=0.8\nUpgrade-Insecure-Requests: 1", policy.SPLICE),
        ("GET", "Accept: text/html", policy.SPLICE),
        ("GET", "Accept: */*\nUpgrade-Insecure-Requests: 1", policy.SPLICE),
        ("GET", "Accept: */*", "not a navigation"),
        ("GET", "", "not a navigation"),
        ("GET", "Accept: text/html\nX-Requested-With: XMLHttpRequest", "fragment"),
        ("GET", "Accept: text/html\nHX-Request: true", "fragment"),
        ("GET", "Accept: text/html\nTurbo-Frame: x", "fragment"),
        ("HEAD", "Sec-Fetch-Mode: navigate", "method"),
        ("PUT", "Accept: text/html", "method"),
    ],
)
def test_which_requests_load_a_page(method: str, text: str, expected: str) -> None:
    assert policy.navigation(method, fields(text)) == expected


HTML = "Content-Type: text/html"


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, HTML, policy.SPLICE),
        (200, "content-type: Text/HTML; charset=Shift_JIS", policy.SPLICE),
        (404, HTML, policy.SPLICE),
        (200, f"{HTML}; charset=utf-16le", "charset"),
        (200, f'{HTML}; charset="UTF-16"', "charset"),
        (200, f"{HTML}; charset=iso-2022-jp", "charset"),
        (200, f"{HTML}; charset=utf-8", policy.SPLICE),
        (500, HTML, policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: gzip", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: x-gzip", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: br", "coding"),
        (200, f"{HTML}\nContent-Encoding: gzip, gzip", "coding"),
        (200, f"{HTML}\nContent-Disposition: attachment; filename=a.html", "download"),
        (200, f"{HTML}\nContent-Disposition: inline", policy.SPLICE),
        (200, f"{HTML}\nContent-Range: bytes 0-1/2", "part of a file"),
        (200, f"{HTML}\nCache-Control: max-age=1, no-transform", "no-transform"),
        (302, f"{HTML}\nLocation: /", "redirect"),
        (300, HTML, policy.SPLICE),
        (204, HTML, "no body"),
        (206, HTML, "no body"),
        (304, HTML, "no body"),
        (103, HTML, "no body"),
        (200, "Content-Type: application/json", "not HTML"),
        (200, "Content-Type: text/event-stream", "not HTML"),
        (200, "Content-Type: application/xhtml+xml", "not HTML"),
        (200, "Content-Type: multipart/x-mixed-replace; boundary=text/html", "not HTML"),
        (200, "", "not HTML"),
    ],
)
def test_which_responses_are_spliced(status: int, text: str, expected: str) -> None:
    assert policy.page(status, fields(text)) == expected
