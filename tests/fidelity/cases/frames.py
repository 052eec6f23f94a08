"""Frames of this origin and of others."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from tests.fidelity.case import Case, group

HTML = "text/html"
SIZE = "style='width: 500px; height: 300px; border: 4px solid teal'"
INNER = "<!doctype html><body style='background: gold; font: 40px sans-serif'><p id=p>{}</p>"
FRAME = f"<iframe id=f src=inner.html {SIZE}></iframe>"
FILES = {
    "inner.html": (HTML, INNER.format("inner")),
    "other.html": (HTML, INNER.format("other page")),
}
LOADED = "await new Promise((go) => f.addEventListener('load', go, { once: true }))"

CASES = (
    *group(
        "Frames",
        Case("a frame", FRAME, files=FILES),
        Case(
            "a frame changes",
            FRAME,
            files=FILES,
            act="""const p = f.contentDocument.querySelector('p'); p.textContent = 'changed';
            p.after(f.contentDocument.createElement('hr'), 'more'); p.style.color = 'red'""",
        ),
        Case(
            "a frame goes to another page",
            FRAME,
            files=FILES,
            act=f"f.src = 'other.html'; {LOADED}",
        ),
        Case(
            "a frame goes elsewhere and changes",
            FRAME,
            files=FILES,
            act=f"f.contentWindow.location = 'other.html'; {LOADED};"
            "await new Promise((go) => setTimeout(go, 200));"
            "f.contentDocument.querySelector('p').textContent = 'then changed'",
        ),
        Case(
            "a frame of srcdoc",
            f'<iframe srcdoc="{INNER.format("srcdoc")}" {SIZE}></iframe>',
        ),
        Case(
            "a frame of srcdoc is never quirky",
            f'<iframe srcdoc="<style>.Odd {{ height: 50%; background: gold }}</style><div class=odd>half" {SIZE}></iframe>',
        ),
        Case(
            "a frame's srcdoc changes",
            f'<iframe id=f srcdoc="{INNER.format("srcdoc")}" {SIZE}></iframe>',
            act=f'f.srcdoc = "{INNER.format("other")}"; {LOADED}',
            listed=True,
        ),
        Case(
            "a frame of srcdoc is added and changes",
            "<h1>page</h1>",
            act=f"""const f = document.createElement('iframe'); f.srcdoc = "{INNER.format("added")}";
            f.style.cssText = 'width: 500px; height: 300px'; document.body.append(f); {LOADED};
            f.contentDocument.querySelector('p').append('!')""",
            listed=True,
        ),
        Case(
            "a blank frame is filled",
            f"<iframe id=f {SIZE}></iframe>",
            act="f.contentDocument.body.innerHTML = '<h1 style=\"background: gold\">filled</h1>'",
        ),
        Case(
            "a frame is written",
            f"<iframe id=f {SIZE}></iframe>",
            act=f"""const inner = f.contentDocument; inner.open(); inner.write("{INNER.format("written")}");
            inner.close()""",
        ),
        Case(
            "a frame is written before the session",
            f"<iframe id=f {SIZE}></iframe>",
            before=f"""const inner = f.contentDocument; inner.open(); inner.write("{INNER.format("written")}");
            inner.close()""",
            act="f.contentDocument.querySelector('p').textContent = 'changed'",
        ),
        Case(
            "a frame is added",
            "<h1>page</h1>",
            files=FILES,
            act="""const f = document.createElement('iframe');
            f.src = 'inner.html'; f.height = 300; document.body.append(f);"""
            + LOADED,
        ),
        Case("a frame goes away", FRAME + "<h1>page</h1>", files=FILES, act="f.remove()"),
        Case(
            "a frame moves", FRAME + "<h1 id=h>page</h1>", files=FILES, act=f"h.after(f); {LOADED}"
        ),
        Case(
            "frames in frames",
            FRAME,
            files={
                "inner.html": (
                    HTML,
                    "<body style='background: silver'><iframe src=deep.html width=400 height=200>",
                ),
                "deep.html": (HTML, INNER.format("deep")),
            },
            act="f.contentDocument.querySelector('iframe').contentDocument.querySelector('p').append('er')",
        ),
        Case(
            "a frame in a shadow tree",
            "<div id=h></div>",
            files=FILES,
            before="h.attachShadow({mode: 'open'}).innerHTML = '<iframe src=inner.html height=300></iframe>'",
            act="h.shadowRoot.querySelector('iframe').contentDocument.querySelector('p').append('!')",
        ),
        Case(
            "sheets in a frame are edited",
            FRAME,
            files={
                "inner.html": (HTML, INNER.format("inner") + "<style id=s>p { color: red }</style>")
            },
            act="""const inner = f.contentDocument; inner.querySelector('#s').sheet.cssRules[0].style.fontSize = '90px';
            const sheet = new f.contentWindow.CSSStyleSheet(); sheet.replaceSync('body { border: 30px solid teal }');
            inner.adoptedStyleSheets.push(sheet)""",
            listed=True,
        ),
        Case(
            "a form in a frame is filled in",
            FRAME,
            files={
                "inner.html": (
                    HTML,
                    "<body><input id=i style='font-size: 60px'><input type=checkbox style='zoom: 5'>",
                )
            },
            act="""const inner = f.contentDocument; inner.querySelector('#i').value = 'filled';
            inner.querySelectorAll('input')[1].indeterminate = true""",
            listed=True,
        ),
        Case(
            "a quirky frame in a strict page",
            FRAME,
            files={
                "inner.html": (
                    HTML,
                    "<style>.Odd { height: 50%; background: gold }</style><div class=odd>half",
                )
            },
        ),
        Case(
            "a sandboxed frame",
            f'<iframe sandbox="allow-same-origin" srcdoc="{INNER.format("sandboxed")}" {SIZE}></iframe>',
        ),
        Case(
            "a sandboxed frame of no origin",
            f'<iframe sandbox srcdoc="{INNER.format("sandboxed")}" {SIZE}></iframe>',
            why="Frames of no origin run none of our scripts and cannot be read.",
        ),
        Case(
            "a frame of a data address",
            f"<iframe src=\"data:text/html,<body style='background: gold'><h1>data\" {SIZE}></iframe>",
            why="Frames of no origin run none of our scripts and cannot be read.",
        ),
        Case(
            "a frameset",
            """<!doctype html><html><head><title>x</title></head><frameset cols="200,*" border=0><frame src=inner.html
            name=a><frameset rows="50%,50%"><frame src=other.html><frame src=inner.html></frameset></frameset></html>""",
            files=FILES,
        ),
        Case(
            "a frameset's frame goes elsewhere",
            """<!doctype html><html><head><title>x</title></head><frameset cols="200,*"><frame src=inner.html
            id=f><frame src=inner.html></frameset></html>""",
            files=FILES,
            act="""const f = document.querySelector('#f'); f.src = 'other.html';""" + LOADED,
        ),
    ),
    *group(
        "Frames of other origins",
        Case(
            "a frame of another origin",
            f"<iframe id=f src='{{other}}/inner.html' {SIZE}></iframe>",
            files=FILES,
            listed=True,
        ),
        Case(
            "a frame of another origin changes",
            f"<iframe id=f src='{{other}}/inner.html' {SIZE}></iframe>",
            files=FILES,
            act=lambda page: (
                page.frame_locator("#f")
                .locator("p")
                .evaluate("(p) => { p.textContent = 'changed'; p.style.fontSize = '90px' }")
            ),
            listed=True,
        ),
        Case(
            "a frame of another origin is added",
            "<h1>page</h1>",
            files={**FILES, "address.txt": ("text/plain", "{other}")},
            act="""const other = await (await fetch('address.txt')).text();
            const f = document.createElement('iframe'); f.src = other + '/inner.html'; f.height = 300;
            document.body.append(f);"""
            + LOADED,
            listed=True,
        ),
        Case(
            "a frame of another origin is typed into",
            f"<iframe id=f src='{{other}}/inner.html' {SIZE}></iframe>",
            files={
                "inner.html": (HTML, "<body><input id=i style='font-size: 60px; outline: none'>")
            },
            act=lambda page: page.frame_locator("#f").locator("#i").fill("typed here"),
            listed=True,
        ),
        Case(
            "a frame of another origin scrolls",
            f"<iframe id=f src='{{other}}/inner.html' {SIZE}></iframe>",
            files={
                "inner.html": (
                    HTML,
                    "<body>"
                    + "".join(
                        f"<p style='background: hsl({n * 30} 80% 70%)'>row {n}" for n in range(40)
                    ),
                )
            },
            act=lambda page: (
                page.frame_locator("#f").locator("body").evaluate("() => scrollTo(0, 500)")
            ),
            listed=True,
        ),
        Case(
            "a frame of this origin in one of another",
            f"<iframe id=f src='{{other}}/inner.html' {SIZE}></iframe>",
            files={
                "inner.html": (
                    HTML,
                    "<body style='background: silver'><iframe src=deep.html width=400 height=200>",
                ),
                "deep.html": (HTML, INNER.format("deep")),
            },
            listed=True,
        ),
        Case(
            "a frame that does not load",
            f"<iframe src='http://localhost:9/' {SIZE}></iframe><h1>page</h1>",
            why="The browser's own error page is not drawn.",
        ),
    ),
)
