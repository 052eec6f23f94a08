"""What a visitor does to a page without changing its nodes."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from playwright.sync_api import Page

from tests.browser.mirror import until
from tests.fidelity.case import Case, group

ROWS = "".join(f"<p style='background:hsl({n * 9} 80% 80%)'>row {n}</p>" for n in range(40))
WIDE = f"<div style='width: 2000px; background: linear-gradient(90deg, gold, teal)'>{ROWS}</div>"
LINES = "\n".join(f"line {n}" for n in range(40))
RING = "<style>input, button { font-size: 40px; margin: 10px } :focus { outline: 20px solid red }</style>"
HOVER = "<style>#a { width: 300px; height: 200px; background: gold } #a:hover { background: teal }</style>"
FRAME = "<iframe id=f style='width: 500px; height: 300px' srcdoc=\"<!doctype html>{}\"></iframe>"


def hovers_in_frame(page: Page) -> None:
    page.frame_locator("#f").locator("#a").hover()


CASES = (
    *group(
        "Scrolling",
        Case("the page scrolls", ROWS, act="scrollTo(0, 500)"),
        Case("the page scrolls sideways", WIDE, act="scrollTo(700, 300)"),
        Case("the page is scrolled before the session", ROWS, before="scrollTo(0, 400)"),
        Case("the wheel turns", ROWS, act=lambda page: page.mouse.wheel(0, 600)),
        Case(
            "a box scrolls",
            f"<div id=a style='height: 300px; overflow: auto'>{WIDE}</div>",
            act="a.scrollTo(300, 200)",
        ),
        Case(
            "a box is scrolled before the session",
            f"<div id=a style='height: 300px; overflow: auto'>{WIDE}</div>",
            before="a.scrollTo(300, 200)",
        ),
        Case(
            "a textarea scrolls",
            f"<textarea id=a style='width: 300px; height: 300px; font-size: 30px'>{LINES}</textarea>",
            act="a.scrollTop = 400",
        ),
        Case(
            "a select of many scrolls",
            f"<select multiple id=a size=8 style='font-size: 30px'>{'<option>o' * 5}{'<option>b' * 40}</select>",
            act="a.scrollTop = 500",
        ),
        Case(
            "a text field scrolls",
            "<input id=a style='width: 300px; font-size: 60px' value='a long text that does not fit in it'>",
            act="a.scrollLeft = 300",
        ),
        Case(
            "a frame scrolls",
            FRAME.format(ROWS),
            act="f.contentWindow.scrollTo(0, 500)",
        ),
        Case(
            "a box in a shadow tree scrolls",
            "<div id=h></div>",
            before=f"""h.attachShadow({{mode: 'open'}}).innerHTML =
            `<div style="height: 300px; overflow: auto">{ROWS}</div>`""",
            act="h.shadowRoot.firstChild.scrollTop = 400",
        ),
        Case(
            "a box that scrolls from the right",
            f"<div id=a dir=rtl style='height: 300px; overflow: auto'>{WIDE}</div>",
            act="a.scrollLeft = -400",
        ),
        Case(
            "smooth scrolling and snapping",
            f"""<style>html {{ scroll-behavior: smooth }} #a {{ height: 300px; overflow: auto;
            scroll-snap-type: y mandatory }} #a p {{ scroll-snap-align: start; height: 200px }}</style>
            <div id=a>{ROWS}</div>""",
            act="""a.scrollTop = 600;
            await new Promise((end) => a.addEventListener('scrollend', end, { once: true }))""",
        ),
        Case(
            "a scrolled box is hidden and shown",
            f"<div id=a style='height: 300px; overflow: auto'>{ROWS}</div>",
            act="""a.scrollTop = 300; await new Promise((go) => setTimeout(go, 100));
            a.style.display = 'none'; a.offsetTop; a.style.display = ''; a.scrollTop = 200""",
        ),
    ),
    *group(
        "Selection and caret",
        Case(
            "text is selected",
            "<p id=a style='font-size: 60px; line-height: 80px'>select <b>these words</b> here",
            act="getSelection().setBaseAndExtent(a.firstChild, 3, a.lastChild, 3)",
        ),
        Case(
            "text is selected with the mouse",
            "<p style='font-size: 60px; line-height: 80px'>select these words here",
            act=lambda page: (
                page.mouse.move(40, 80),
                page.mouse.down(),
                page.mouse.move(400, 100),
                page.mouse.up(),
                page.mouse.move(599, 399),
            ),
        ),  # fmt: skip
        Case(
            "text is selected before the session",
            "<p id=a style='font-size: 60px; line-height: 80px'>select these words here",
            before="getSelection().selectAllChildren(a)",
        ),
        Case(
            "the page colours what is selected",
            """<style>::selection { background: gold; color: red }</style>
            <p id=a style='font-size: 60px; line-height: 80px'>select these words here""",
            act="getSelection().selectAllChildren(a)",
        ),
        Case(
            "all of a page is selected",
            f"<h1>title</h1>{ROWS}",
            act=lambda page: page.keyboard.press("Control+a"),
        ),
        Case(
            "text in a field is selected",
            "<input id=a value='select this text' style='font-size: 60px; outline: none'>",
            act="a.focus(); a.setSelectionRange(2, 12)",
        ),
        Case(
            "text in a textarea is selected",
            "<textarea id=a style='font-size: 60px; outline: none; width: 500px'>select this text</textarea>",
            act="a.focus(); a.select()",
        ),
        Case(
            "a selection goes",
            "<p id=a style='font-size: 60px; line-height: 80px'>select these words here",
            before="getSelection().selectAllChildren(a)",
            act="getSelection().removeAllRanges()",
        ),
        Case(
            "the caret in a field",
            """<input id=a value='ab' style='font-size: 200px; width: 500px; outline: none; caret-color: red;
            caret-animation: manual'>""",
            act="a.focus(); a.setSelectionRange(1, 1)",
            share=0.0003,
        ),
        Case(
            "the caret in editable content",
            """<div id=a contenteditable style='font-size: 200px; line-height: 220px; outline: none;
            caret-color: red; caret-animation: manual'>ab</div>""",
            act="a.focus(); getSelection().collapse(a.firstChild, 1)",
            share=0.0003,
        ),
    ),
    *group(
        "Focus",
        Case(
            "a field has the focus before the session",
            f"{RING}<input id=a><input id=b>",
            before="a.focus()",
            listed=True,
        ),
        Case(
            "a field gets the focus",
            f"{RING}<input id=a><input id=b>",
            act=lambda page: page.click("#b"),
        ),
        Case(
            "the focus moves with the keyboard",
            """<style>:focus-visible { background: gold; outline: 20px solid teal } button { font-size: 40px;
            margin: 20px }</style><button>a</button><button>b</button>""",
            act=lambda page: (page.keyboard.press("Tab"), page.keyboard.press("Tab")),
        ),
        Case(
            "a mouse's focus is not visible",
            """<style>:focus { background: gold } :focus-visible { background: red } button { font-size: 40px;
            border: 0; margin: 20px }</style><button id=a>a</button><button>b</button>""",
            act=lambda page: (page.click("#a"), page.mouse.move(599, 399)),
        ),
        Case(
            "the browser's own ring",
            "<style>a { font-size: 90px; line-height: 200px; outline-width: 30px }</style><a href=# id=a>link</a>",
            act=lambda page: page.keyboard.press("Tab"),
        ),
        Case(
            ":focus-within",
            f"{RING}<style>form:focus-within {{ background: gold }}</style><form><input id=a><br>text</form>",
            act=lambda page: page.focus("#a"),
        ),
        Case(
            "the focus goes",
            f"{RING}<input id=a>",
            before="a.focus()",
            act="await new Promise((go) => setTimeout(go, 50)); a.blur(); a.value = 'x'",
            listed=True,
        ),
        Case(
            "focus in a shadow tree",
            "<div id=h></div>",
            before="""h.attachShadow({mode: 'open', delegatesFocus: true}).innerHTML =
            `<style>:focus { background: gold } :host(:focus-within) { outline: 20px solid teal }</style>
            <input style="font-size: 60px">`; h.style.cssText = 'display: block; margin: 40px'""",
            act="h.shadowRoot.querySelector('input').focus()",
        ),
        Case(
            "focus in a frame",
            FRAME.format(RING.replace('"', "'") + "<input id=a>"),
            act="f.contentDocument.querySelector('#a').focus()",
        ),
    ),
    *group(
        "Pointer",
        Case("under the mouse", f"{HOVER}<div id=a>x</div>", act=lambda page: page.hover("#a")),
        Case(
            "the mouse has gone on",
            f"{HOVER}<div id=a>x</div><p id=b style='font-size: 60px'>y",
            act=lambda page: (page.hover("#a"), page.hover("#b"), page.evaluate("b.append('!')")),
        ),
        Case(
            "a menu opens under the mouse",
            """<style>ul ul { display: none; background: gold } li:hover > ul { display: block }
            li { font-size: 40px; line-height: 50px } li:not(:hover) { color: gray }</style>
            <ul><li id=a>File<ul><li id=b>Open<ul><li>deep</ul></ul><li>Edit</ul>""",
            act=lambda page: (page.hover("#a"), page.hover("#b")),
        ),
        Case(
            "under the mouse in a shadow tree",
            "<div id=h></div>",
            before="""h.attachShadow({mode: 'open'}).innerHTML = `<style>div { width: 300px; height: 200px;
            background: gold } div:hover { background: teal } :host(:hover) { outline: 9px solid red }</style>
            <div id=a>x</div>`""",
            act=lambda page: page.hover("#h >> div"),
        ),
        Case(
            "under the mouse in a frame",
            FRAME.format(HOVER.replace('"', "'") + "<div id=a>x</div>"),
            act=hovers_in_frame,
        ),
        Case(
            "under the mouse, by an inserted rule",
            "<style id=s></style><div id=a style='height: 200px'>x</div>",
            act=lambda page: (
                page.evaluate("s.sheet.insertRule('#a:hover { background: teal }')"),
                page.hover("#a"),
            ),
            listed=True,
        ),  # fmt: skip
        Case(
            "under the mouse, by a replaced rule",
            "<style id=s></style><div id=a style='height: 200px'>x</div>",
            act=lambda page: (
                page.evaluate("s.textContent = '#a:hover { background: teal }'"),
                page.hover("#a"),
            ),
            listed=True,
        ),  # fmt: skip
        Case(
            "under the mouse, by an adopted sheet",
            "<div id=a style='height: 200px'>x</div>",
            act=lambda page: (
                page.evaluate("""() => { const sheet = new CSSStyleSheet();
                sheet.replaceSync('#a:hover { background: teal }'); document.adoptedStyleSheets = [sheet] }"""),
                page.hover("#a"),
            ),
            listed=True,
        ),  # fmt: skip
        Case(
            "a rule only for devices that hover",
            """<style>@media (hover: hover) and (pointer: fine) { #a { background: gold; height: 200px } }
            @media (pointer: coarse) { #a { background: red } }</style><div id=a>x</div>""",
        ),
        Case(
            "a button is held down",
            """<style>button { font-size: 60px; border: 0; padding: 40px; background: gold }
            button:active { background: red }</style><button id=a>press</button>""",
            act=lambda page: (page.hover("#a"), page.mouse.down()),
            listed=True,
        ),
        Case(
            "a link is held down",
            "<style>a { font-size: 90px; line-height: 100px } a:active { background: gold }</style>"
            "<a href=# id=a>link</a>",
            act=lambda page: (page.hover("#a"), page.mouse.down()),
            listed=True,
        ),
        Case(
            "a scrolled page under the mouse",
            """<style>p { height: 60px; margin: 0; background: gold } p:hover { background: teal }</style>"""
            + "<p>x</p>" * 40,
            act=lambda page: (
                page.mouse.move(100, 30),
                page.mouse.wheel(0, 240),
                until(page, "scrollY === 240"),
                page.mouse.move(101, 31),
            ),
        ),
    ),
    *group(
        "Links and targets",
        Case(
            "a target",
            "<style>:target { background: gold; font-size: 60px; line-height: 70px }</style>"
            f"<a href=#b id=a>go</a>{ROWS}<p id=b>here",
            act=lambda page: (page.click("#a"), until(page, "scrollY > 0")),
            listed=True,
        ),
        Case(
            "the target changes by script",
            "<style>:target { background: gold; height: 100px } :target-within { color: red }</style>"
            "<div><p id=a>a<p id=b>b</div>",
            before="location.hash = 'a'",
            act="location.hash = 'b'",
            listed=True,
        ),
        Case(
            "a target before the session",
            "<style>:target { background: gold; height: 100px }</style><p id=a>a<p id=b>b",
            before="location.hash = 'b'",
            listed=True,
        ),
        Case(
            "links that were visited, and others",
            """<style>a { font-size: 60px; line-height: 70px } :any-link { background: gold } a:not([href]) {
            color: red } [href^="/x"] { text-decoration: none }</style><a href=/x>x</a> <a>none</a> <a href=y>y</a>""",
            why="Addresses of links do not leave, so rules about them do not apply.",
        ),
    ),
    *group(
        "Dialogs and the top layer",
        Case(
            "a modal dialog opens",
            """<style>::backdrop { background: rgb(0 128 128 / 70%) }</style><h1>page</h1>
            <dialog id=d style="font-size: 60px">dialog</dialog>""",
            act="d.showModal()",
        ),
        Case(
            "a modal dialog is open before the session",
            """<style>::backdrop { background: teal }</style><h1>page</h1>
            <dialog id=d style="font-size: 60px">dialog</dialog>""",
            before="d.showModal()",
        ),
        Case(
            "a dialog opens that is not modal",
            "<dialog id=d style='font-size: 60px; background: gold'>dialog</dialog>",
            act="d.show()",
        ),
        Case(
            "a modal dialog closes and opens again",
            """<style>::backdrop { background: teal }</style><h1>page</h1>
            <dialog id=d style="font-size: 60px">dialog</dialog>""",
            before="d.showModal()",
            act="""d.close(); await new Promise((go) => setTimeout(go, 100)); d.show();
            await new Promise((go) => setTimeout(go, 100)); d.close(); d.showModal(); d.append('!')""",
        ),
        Case(
            "a modal dialog closes",
            "<style>::backdrop { background: teal }</style><h1>page</h1><dialog id=d>dialog</dialog>",
            before="d.showModal()",
            act=lambda page: page.keyboard.press("Escape"),
        ),
        Case(
            "two modal dialogs, the first opened last",
            """<style>dialog { width: 300px; height: 200px; font-size: 60px } ::backdrop { background: none }</style>
            <dialog id=a style="background: gold">a</dialog><dialog id=b style="background: teal">b</dialog>""",
            act="b.showModal(); a.showModal()",
        ),
        Case(
            "a modal dialog added open",
            "<h1>page</h1>",
            act="""const d = document.createElement('dialog'); d.textContent = 'later';
            d.style.fontSize = '80px'; document.body.append(d); d.showModal()""",
        ),
        Case(
            "a modal dialog in a shadow tree",
            "<style>::backdrop { background: teal }</style><h1>page</h1><div id=h></div>",
            before="""h.attachShadow({mode: 'open'}).innerHTML = `<style>dialog::backdrop { background: gold }
            </style><dialog style="font-size: 80px">dialog</dialog>`""",
            act="h.shadowRoot.querySelector('dialog').showModal()",
        ),
        Case(
            "a popover is open before the session",
            "<h1>page</h1><div popover id=p style='font-size: 80px; background: gold'>popover</div>",
            before="p.showPopover()",
            listed=True,
        ),
        Case(
            "a popover opens",
            "<h1>page</h1><div popover id=p style='font-size: 80px; background: gold'>popover</div>",
            act="p.showPopover()",
            listed=True,
        ),
        Case(
            "a popover opens by a button",
            """<button popovertarget=p id=a>open</button><style>[popover]:popover-open { background: teal }
            [popover]::backdrop { background: gold }</style>
            <div popover id=p style='font-size: 80px'>popover</div>""",
            act=lambda page: (page.click("#a"), page.mouse.move(599, 399)),
            listed=True,
        ),
        Case(
            "a popover closes",
            "<h1>page</h1><div popover id=p style='font-size: 80px; background: gold'>popover</div>",
            before="p.showPopover()",
            act="p.hidePopover()",
            listed=True,
        ),
        Case(
            "a popover made by script",
            "<h1>page</h1>",
            act="""const p = document.createElement('div'); p.popover = 'manual'; p.textContent = 'made';
            p.style.cssText = 'font-size: 90px; background: gold'; document.body.append(p); p.showPopover()""",
            listed=True,
        ),
        Case(
            "a popover over a modal dialog",
            """<style>::backdrop { background: teal }</style><dialog id=d style="font-size: 60px; width: 400px;
            height: 200px">dialog<div popover id=p style="font-size: 60px; background: gold">popover</div></dialog>""",
            act="d.showModal(); p.showPopover()",
            listed=True,
        ),
        Case(
            "a popover at its anchor",
            """<button id=a popovertarget=p style="anchor-name: --a; margin: 100px; font-size: 40px">anchor</button>
            <div popover id=p style="position-anchor: --a; position-area: bottom span-right; margin: 0; inset: auto;
            font-size: 60px; background: gold">popover</div>""",
            act="p.showPopover({ source: a })",
            listed=True,
        ),
        Case(
            "details open",
            """<style>details[open] { background: gold } summary::marker { color: red } * { font-size: 40px;
            line-height: 50px } details::details-content { border: 10px solid teal }</style>
            <details id=a><summary>more</summary>content</details><details open>open</details>""",
            act="a.open = true",
        ),
        Case(
            "details of which one is open",
            """<style>* { font-size: 40px; line-height: 50px }</style><details name=x open><summary>a</summary>A
            </details><details name=x id=b><summary>b</summary>B</details>""",
            act=lambda page: (
                page.click("#b summary"),
                page.evaluate("document.activeElement.blur()"),
            ),
        ),
        Case(
            "an element is shown on the whole screen",
            """<style>#a { width: 200px; height: 100px; background: gold } #a:fullscreen { background: teal }
            ::backdrop { background: red }</style><h1>page</h1><div id=a>x</div>""",
            act=lambda page: (
                page.evaluate(
                    "addEventListener('click', () => a.requestFullscreen(), { once: true })"
                ),
                page.click("h1"),
                until(page, "!!document.fullscreenElement"),
            ),
            why="It looks the same, by a z-index that the visitor's element does not have.",
        ),  # fmt: skip
        Case(
            "inert, hidden and content-visibility",
            """<style>div { height: 60px; background: gold } :is([inert]) { opacity: 0.4 }</style>
            <div id=a>a</div><div id=b>b</div><div id=c style="content-visibility: hidden">c</div>
            <div id=d hidden>d</div><div hidden=until-found style="background: red">e</div>""",
            act="a.inert = true; b.hidden = true; c.style.contentVisibility = 'visible'; d.hidden = false",
        ),
    ),
)
