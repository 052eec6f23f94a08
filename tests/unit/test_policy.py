import pytest

from proxy_addon import policy
from proxy_addon.fields import Values, by_name


def values(text: str) -> Values:
    pairs = (line.partition(": ") for line in text.split("\n") if line)
    return by_name(tuple((k.encode(), v.encode("latin-1")) for k, _, v in pairs))


@pytest.mark.parametrize(
    ("method", "text", "expected"),
    [
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", policy.SPLICE),
        ("POST", "Sec-Fetch-Mode: navigate", policy.SPLICE),
        # A service worker passes a navigation on; a link with "download" saves what comes.
        (
            "GET",
            "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: empty\nUpgrade-Insecure-Requests: 1",
            policy.SPLICE,
        ),
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: empty", "download"),
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe", policy.SPLICE),
        ("GET", "Sec-Fetch-Mode: navigate\nSec-Purpose: prefetch", policy.SPLICE),
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
        ("GET", "Accept: text/html\nX-PJAX: true", "fragment"),
        ("GET", "Sec-Fetch-Mode: navigate\nHX-Request: true", "fragment"),
        ("HEAD", "Sec-Fetch-Mode: navigate", "method"),
        ("PUT", "Accept: text/html", "method"),
    ],
)
def test_which_requests_load_a_page(method: str, text: str, expected: str) -> None:
    assert policy.navigation(method, values(text)) == expected


HTML = "Content-Type: text/html"


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, HTML, policy.SPLICE),
        (200, "content-type: Text/HTML; charset=Shift_JIS", policy.SPLICE),
        (404, HTML, policy.SPLICE),
        (200, f"{HTML}; charset=utf-8", policy.SPLICE),
        (500, HTML, policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: gzip", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: x-gzip", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: br", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: ZSTD", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: gzip, br", policy.SPLICE),
        (200, f"{HTML}\nContent-Encoding: identity", policy.SPLICE),
        # Chromium decodes nothing of such a list.
        (200, f"{HTML}\nContent-Encoding: gzip, identity", "coding"),
        (200, f"{HTML}\nContent-Encoding: compress", "coding"),
        (200, f"{HTML}\nContent-Encoding: gzip, gzip, gzip, gzip", "coding"),
        (200, f"{HTML}\nContent-Disposition: attachment; filename=a.html", "download"),
        (200, f"{HTML}\nContent-Disposition: inline", policy.SPLICE),
        (200, f"{HTML}\nContent-Disposition: INLINE; filename=a.html", policy.SPLICE),
        (200, f"{HTML}\nContent-Disposition: filename=a.html", policy.SPLICE),
        (200, f"{HTML}\nContent-Disposition: download; filename=a.html", "download"),
        (200, f"{HTML}\nContent-Disposition: Attachment", "download"),
        (200, f"{HTML}\nContent-Range: bytes 0-1/2", "part of a file"),
        (200, f"{HTML}\nCache-Control: max-age=1, no-transform", "no-transform"),
        (302, f"{HTML}\nLocation: /", "redirect"),
        (300, HTML, policy.SPLICE),
        (204, HTML, "no body"),
        (206, HTML, "no body"),
        (304, HTML, "no body"),
        (103, HTML, "no body"),
        (200, "Content-Type: application/json", "not HTML"),
        (200, f"{HTML}\nContent-Type: application/json", "not HTML"),
        (200, f"Content-Type: application/json\n{HTML}", policy.SPLICE),
        (200, "Content-Type: text/event-stream", "not HTML"),
        (200, "Content-Type: application/xhtml+xml", "XHTML"),
        (200, "Content-Type: multipart/x-mixed-replace; boundary=text/html", "not HTML"),
        (200, "", policy.SPLICE),  # if the body looks like a page
        (200, "Content-Type: */*", policy.SPLICE),
        (200, "X-Content-Type-Options: nosniff", "not HTML"),
    ],
)
def test_which_responses_are_spliced(status: int, text: str, expected: str) -> None:
    assert policy.page(status, values(text)) == expected


def test_no_transform_can_be_ignored() -> None:
    marked = values(f"{HTML}\nCache-Control: no-transform")
    assert policy.page(200, marked, obey_no_transform=False) == policy.SPLICE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sec-Fetch-Dest: iframe", True),
        ("Sec-Fetch-Dest: frame", True),
        ("Sec-Fetch-Dest: object", True),
        ("Sec-Fetch-Dest: document", False),
        ("Sec-Fetch-Dest: empty", False),
        ("", False),
    ],
)
def test_frames_are_told_apart(text: str, expected: bool) -> None:
    assert policy.is_for_frame(values(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HTML, ""),
        (f"{HTML}; charset=Shift_JIS", "Shift_JIS"),
        (f'{HTML}; x=y; CHARSET= "koi8-r" ', "koi8-r"),
        (f"{HTML}; charset=", ""),
        (f"{HTML}; charset=cp949", ""),
        (f"{HTML}; charset=none", ""),
        (f"{HTML}; charset='utf-8'", ""),
        (f"{HTML}; x-charset=utf-8", ""),
        (f"{HTML}; charset=utf-8 x", ""),
        (f"{HTML}; charset =utf-8", ""),
        (f"{HTML}; charset=l2; charset=l3", "l2"),
        (f"text/plain; charset=l2, {HTML[14:]}", ""),
        (f"{HTML}; charset=l2, text/html", "l2"),
    ],
)
def test_the_charset_of_the_header(text: str, expected: str) -> None:
    assert policy.charset(values(text)) == expected


def test_a_hostile_content_type_costs_linear_time() -> None:
    for filler in (" ", "' ", "charset=", 'charset="  '):
        policy.charset({"content-type": "text/html; charset=" + filler * 100_000 + ";"})


@pytest.mark.parametrize(
    ("include", "exclude", "page", "expected"),
    [
        ([], [], "shop.test/", True),
        (["shop.test/*"], [], "shop.test/a/b?c", True),
        (["shop.test/*"], [], "other.test/", False),
        (["shop.test/"], [], "shop.test/a", False),
        (["*/account/*"], [], "shop.test/account/x", True),
        ([], ["*/checkout*"], "shop.test/checkout?step=2", False),
        (["shop.test/*"], ["shop.test/admin/*"], "shop.test/admin/x", False),
        ([], ["*.pdf"], "shop.test/a?b.pdf", True),  # the query does not count
        (["[a].test/*"], [], "a.test/", False),  # no other character is special
        (["a.test/x*x"], [], "a.test/x", False),
        (["a.test/x*x"], [], "a.test/xx", True),
        (["*.test/*/b/*.html"], [], "a.test/1/b/2.html", True),
    ],
)
def test_include_and_exclude(
    include: list[str], exclude: list[str], page: str, expected: bool
) -> None:
    host, slash, path = page.partition("/")
    assert policy.PageFilter(include, exclude).takes(host, slash + path) is expected


def test_a_hostile_path_costs_a_filter_little() -> None:
    taken = policy.PageFilter(["*a" * 50 + "*b"], []).takes("x.test", "/" + "a" * 50_000)
    assert not taken
