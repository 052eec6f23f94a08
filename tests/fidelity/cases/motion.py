"""Animations, and what the visitor's device is like."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from playwright.sync_api import Page

from tests.fidelity.case import Case, group

BOX = "<style>#a { width: 100px; height: 100px; background: gold }</style><div id=a>x</div>"
MOVE = "@keyframes move { to { transform: translateX(300px); background: teal } }"
DARK = """<style>:root {{ {} }} body {{ background: white; color: black }} @media (prefers-color-scheme: dark) {{
body {{ background: #222; color: gold }} }}</style><h1>text</h1><input value=x><button>b</button><select><option>x</select>"""
OVERFLOW = (
    "<style>body { margin: 0 } .w { width: 100%; height: 60px; background: gold } .h { width: 50vw; height: 60px;"
    " background: teal } p { height: 900px; margin: 0 }</style>"
)


def narrows(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 400})


def widens_again(page: Page) -> None:
    page.set_viewport_size({"width": 350, "height": 300})
    page.evaluate("document.body.append('narrow')")
    page.set_viewport_size({"width": 600, "height": 400})


CASES = (
    *group(
        "Animations",
        Case(
            "a CSS animation has ended",
            f"<style>{MOVE} .on {{ animation: move 0.1s forwards }}</style>{BOX}",
            act="a.className = 'on'; await Promise.all(a.getAnimations().map((one) => one.finished))",
            listed=True,
        ),
        Case(
            "a CSS animation stands in the middle",
            f"<style>{MOVE} #a {{ animation: move 10s -5s linear paused }}</style>{BOX}",
        ),
        Case(
            "a CSS animation is paused by script",
            f"<style>{MOVE} #a {{ animation: move 100s linear }}</style>{BOX}",
            act="const [one] = a.getAnimations(); one.pause(); one.currentTime = 50_000",
            listed=True,
        ),
        Case(
            "a CSS animation ended before the session",
            f"<style>{MOVE} #a {{ animation: move 0.01s forwards }}</style>{BOX}",
            act="await Promise.all(a.getAnimations().map((one) => one.finished)); a.append('!')",
            listed=True,
        ),
        Case(
            "an endless animation in steps",
            "<style>@keyframes blink { 0%, 100% { background: red } } #a { animation: blink 1s steps(1) infinite; }"
            f"</style>{BOX}",
        ),
        Case(
            "a transition has ended",
            f"<style>#a {{ transition: all 0.1s }} #a.on {{ width: 500px; background: teal }}</style>{BOX}",
            act="a.className = 'on'; await Promise.all(a.getAnimations().map((one) => one.finished))",
        ),
        Case(
            "a long transition stands in the middle",
            f"<style>#a {{ transition: width 100s linear }}</style>{BOX}",
            act="""a.style.width = '500px'; a.offsetWidth; const [one] = a.getAnimations();
            one.pause(); one.currentTime = 50_000""",
        ),
        Case(
            "an element that comes in with a transition",
            "<style>b { display: block; height: 100px; background: gold; transition: 0.1s; @starting-style { opacity: 0 } }"
            "</style><main id=m></main>",
            act="""const b = document.createElement('b'); m.append(b); b.offsetWidth;
            await Promise.all(b.getAnimations().map((one) => one.finished))""",
        ),
        Case(
            "element.animate() has ended",
            BOX,
            act="""await a.animate({ transform: 'translateX(300px)', background: 'teal' },
            { duration: 50, fill: 'forwards' }).finished""",
            listed=True,
        ),
        Case(
            "element.animate() is paused",
            BOX,
            act="""const one = a.animate([{ width: '100px' }, { width: '500px' }], 1000); one.pause();
            one.currentTime = 500""",
            listed=True,
        ),
        Case(
            "element.animate() before the session",
            BOX,
            before="const one = a.animate({ width: '500px', background: 'teal' }, 1000); one.pause(); one.currentTime = 700",
            listed=True,
        ),
        Case(
            "an animation's styles are committed",
            BOX,
            act="""const one = a.animate({ width: '500px' }, { duration: 20, fill: 'forwards' });
            await one.finished; one.commitStyles(); one.cancel()""",
        ),
        Case(
            "an animation by scrolling",
            f"""<style>{MOVE} #a {{ position: fixed; animation: move linear both; animation-timeline: scroll() }}
            body {{ height: 3000px }}</style>{BOX}""",
            act="scrollTo(0, 1300)",
            listed=True,
        ),
        Case(
            "a view transition has ended",
            "<h1 id=a style='view-transition-name: title'>one</h1>",
            act="""await document.startViewTransition(() => { a.textContent = 'two';
            a.style.background = 'gold' }).finished""",
        ),
        Case(
            "highlighted ranges",
            """<style>::highlight(found) { background: gold; color: red }</style>
            <p id=a style="font-size: 60px; line-height: 80px">find these words here""",
            act="""const range = new Range(); range.setStart(a.firstChild, 5); range.setEnd(a.firstChild, 16);
            CSS.highlights.set('found', new Highlight(range))""",
            listed=True,
        ),
        Case(
            "highlighted ranges before the session",
            """<style>::highlight(found) { background: gold; color: red }</style>
            <p id=a style="font-size: 60px; line-height: 80px">find these words here""",
            before="CSS.highlights.set('found', new Highlight(new StaticRange({ startContainer: a.firstChild,"
            "startOffset: 5, endContainer: a.firstChild, endOffset: 16 })))",
            listed=True,
        ),
        Case(
            "marquee",
            "<style>marquee { font-size: 60px; line-height: 80px; background: gold }</style>"
            "<marquee scrollamount=0 behavior=alternate id=a>stands</marquee>",
            act="a.stop(); a.style.background = 'teal'",
        ),
    ),
    *group(
        "Device and viewport",
        Case(
            "the window becomes narrower",
            "<h1>page</h1><div style='background: gold'>" + "words and words " * 40,
            act=lambda page: (
                narrows(page),
                page.evaluate("document.body.style.background = 'silver'"),
            ),
        ),
        Case(
            "the window is narrow for a while",
            "<style>@media (width < 400px) { body { background: red } }</style>"
            "<h1>page</h1><div style='background: gold'>" + "words and words " * 40,
            act=widens_again,
        ),
        Case(
            "a dark visitor",
            DARK.format(""),
            media={"color_scheme": "dark"},
            listed=True,
        ),
        Case(
            "a dark visitor of a page for both",
            DARK.format("color-scheme: light dark"),
            media={"color_scheme": "dark"},
            listed=True,
        ),
        Case(
            "a dark agent",
            DARK.format("color-scheme: light dark"),
            media={"color_scheme": "light"},
            agent_media={"color_scheme": "dark"},
            listed=True,
        ),
        Case(
            "a visitor turns dark",
            DARK.format("color-scheme: light dark"),
            act=lambda page: page.emulate_media(color_scheme="dark"),
            listed=True,
        ),
        Case(
            "colours for light and dark",
            "<style>:root { color-scheme: light dark } body { background: light-dark(gold, navy) }</style><h1>x</h1>",
            media={"color_scheme": "dark"},
            listed=True,
        ),
        Case(
            "a picture for the dark",
            """<picture><source srcset="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='300'
            height='200'%3E%3Crect width='300' height='200' fill='navy'/%3E%3C/svg%3E" media="(prefers-color-scheme: dark)">
            <img alt='' src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='300' height='200'%3E
            %3Crect width='300' height='200' fill='gold'/%3E%3C/svg%3E"></picture>""",
            media={"color_scheme": "dark"},
        ),
        Case(
            "a meta element says dark",
            "<!doctype html><title>x</title><meta name=color-scheme content=dark><h1>dark</h1><input value=x>",
        ),
        Case(
            "a visitor who wants no motion",
            "<style>div { height: 100px; background: red } @media (prefers-reduced-motion: reduce) { div { background: gold;"
            " width: 200px } }</style><div></div>",
            media={"reduced_motion": "reduce"},
            listed=True,
        ),
        Case(
            "a visitor who wants contrast",
            "<style>div { height: 100px; background: red } @media (prefers-contrast: more) { div { background: gold } }"
            "</style><div></div>",
            media={"contrast": "more"},
            listed=True,
        ),
        Case(
            "forced colours",
            "<style>div { height: 100px; background: red; color: gold } @media (forced-colors: active) { div { border: 30px"
            " solid } }</style><div>text</div><button>b</button>",
            media={"forced_colors": "active"},
            listed=True,
            why="The colours that the visitor's system forces on pages are not carried along.",
        ),
        Case(
            "two device pixels per CSS pixel",
            "<style>div { height: 100px; background: red } @media (min-resolution: 2dppx) { div { background: gold } }"
            " @media (-webkit-min-device-pixel-ratio: 2) { div { width: 300px } }</style><div></div>",
            kind="retina",
            listed=True,
        ),
        Case(
            "an image for two device pixels",
            "<img alt='' srcset=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='300' height='200'%3E"
            "%3Crect width='300' height='200' fill='gold'/%3E%3C/svg%3E 1x, data:image/svg+xml,%3Csvg xmlns='http://"
            "www.w3.org/2000/svg' width='600' height='400'%3E%3Crect width='600' height='400' fill='navy'/%3E%3C/svg%3E 2x\">",
            kind="retina",
        ),
        Case(
            "a page with scrollbars",
            f"{OVERFLOW}<div class=w></div><div class=h></div><p>x",
            kind="scrollbars",
            listed=True,
        ),
        Case(
            "a page gets scrollbars",
            f"{OVERFLOW}<div class=w></div><div class=h></div><p id=a style='height: 9px'>x",
            act="a.style.height = '2000px'; a.style.background = 'tomato'",
            kind="scrollbars",
            listed=True,
        ),
        Case(
            "a box with scrollbars",
            f"{OVERFLOW}<div style='width: 400px; height: 300px; overflow: auto'><div class=w></div><p>x</div>",
            kind="scrollbars",
            share=0.02,  # the bar
            listed=True,
        ),
        Case(
            "a frame with scrollbars",
            "<iframe style='width: 400px; height: 300px' srcdoc=\"<body style='margin: 0'><div style='height: 60px;"
            " background: gold'></div><p style='height: 900px'>x\"></iframe>",
            kind="scrollbars",
            share=0.03,  # the bar
            listed=True,
        ),
        Case(
            "a telephone's viewport",
            "<!doctype html><title>x</title><meta name=viewport content='width=device-width'><body style='margin: 0'>"
            "<div style='width: 100vw; height: 200px; background: gold; font-size: 60px'>text</div>"
            "<style>@media (width < 500px) { body { background: teal } }</style>",
            kind="mobile",
            share=0.01,  # drawn at another scale
        ),
        Case(
            "a telephone and a page for desks",
            "<!doctype html><title>x</title><body style='margin: 0'><div style='width: 900px; height: 400px; background:"
            " gold; font-size: 90px'>text</div><style>@media (width < 500px) { body { background: red } }</style>",
            kind="mobile",
            share=0.02,  # drawn at another scale
        ),
        Case(
            "fingers instead of a mouse",
            "<!doctype html><title>x</title><meta name=viewport content='width=device-width'><style>div { height: 200px;"
            " background: red } @media (pointer: coarse) { div { background: gold } } @media (hover: hover) { div {"
            " background: tomato } }</style><div></div>",
            kind="mobile",
            share=0.01,  # drawn at another scale
        ),
    ),
)
