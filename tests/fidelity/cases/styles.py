"""Style sheets: how they come, how scripts edit them, and what they may say."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from tests.fidelity.case import Case, group

BOXES = "<div id=a class=a>alpha</div><div id=b class=b>beta</div><div id=c class=c>gamma</div>"
PLAIN = "div { height: 80px; font-size: 40px }"
SHEET = f"<style id=s>{PLAIN} .a {{ background: gold }} .b {{ background: teal }}</style>{BOXES}"
CSS = "text/css"


def shorthand(name: str, rules: str) -> Case:
    return Case(
        f"{name} with var() and a longhand",
        f"<style>:root {{ --v: 40px; --c: gold }} {PLAIN} {rules}</style>{BOXES}",
        listed=True,
    )


CASES = (
    *group(
        "Edited style sheets",
        Case("a rule is inserted", SHEET, act="s.sheet.insertRule('.c { background: tomato }', 1)"),
        Case("a rule is deleted", SHEET, act="s.sheet.deleteRule(1)"),
        Case(
            "a style text changes",
            SHEET,
            act="s.textContent = '.c { background: tomato; height: 200px }'",
        ),
        Case(
            "a text node of a style changes",
            SHEET,
            act="s.firstChild.appendData('.c { background: tomato }')",
        ),
        Case("a style element goes", SHEET, act="s.remove()"),
        Case(
            "rule.style.setProperty()",
            SHEET,
            act="s.sheet.cssRules[1].style.setProperty('background', 'tomato', 'important')",
        ),
        Case(
            "rule.style.x =",
            SHEET,
            act="s.sheet.cssRules[1].style.background = 'tomato'",
            listed=True,
        ),
        Case(
            "rule.style.cssText =",
            SHEET,
            act="s.sheet.cssRules[1].style.cssText = 'background: tomato; height: 150px'",
            listed=True,
        ),
        Case(
            "rule.selectorText =", SHEET, act="s.sheet.cssRules[1].selectorText = '.c'", listed=True
        ),
        Case(
            "rule.style.removeProperty()",
            SHEET,
            act="s.sheet.cssRules[1].style.removeProperty('background')",
        ),
        Case(
            "a rule in a group is edited",
            f"<style id=s>{PLAIN} @media all {{ .a {{ background: gold }} }} @layer x {{ .b {{ color: red }} }}"
            f"</style>{BOXES}",
            act="""s.sheet.cssRules[1].insertRule('.c { background: tomato }');
            s.sheet.cssRules[2].cssRules[0].style.background = 'teal'""",
            listed=True,
        ),
        Case("sheet.disabled", SHEET, act="s.sheet.disabled = true", listed=True),
        Case(
            "a disabled sheet is enabled",
            SHEET,
            before="s.sheet.disabled = true",
            act="s.sheet.disabled = false",
            listed=True,
        ),
        Case(
            "link.disabled",
            f"<link rel=stylesheet href=a.css id=l>{BOXES}",
            files={"a.css": (CSS, ".a { background: gold; height: 200px }")},
            act="l.disabled = true",
            listed=True,
        ),
        Case(
            "a link that starts disabled",
            f"<link rel=stylesheet href=a.css id=l disabled>{BOXES}",
            files={"a.css": (CSS, ".a { background: gold; height: 200px }")},
            act="l.disabled = false; await new Promise((go) => l.addEventListener('load', go))",
        ),
        Case(
            "a link's href changes",
            f"<link rel=stylesheet href=a.css id=l>{BOXES}",
            files={
                "a.css": (CSS, ".a { background: red }"),
                "b.css": (CSS, ".b { background: teal; height: 99px }"),
            },
            act="l.href = 'b.css'; await new Promise((go) => l.addEventListener('load', go))",
            listed=True,
        ),
        Case(
            "a link is added",
            BOXES,
            files={"a.css": (CSS, ".a { background: gold; height: 200px }")},
            act="""const link = document.createElement('link'); link.rel = 'stylesheet'; link.href = 'a.css';
            document.head.append(link); await new Promise((go) => link.addEventListener('load', go))""",
        ),
        Case(
            "an alternate sheet is chosen",
            f"""<link rel=stylesheet href=a.css title=day id=l><link rel="alternate stylesheet" href=b.css title=night
            id=m>{BOXES}""",
            files={
                "a.css": (CSS, ".a { background: gold; height: 100px }"),
                "b.css": (CSS, ".a { background: navy; height: 150px }"),
            },
            act="m.disabled = false; l.disabled = true; await new Promise((go) => setTimeout(go, 200))",
            listed=True,
        ),
        Case(
            "style.media",
            SHEET,
            act="s.media = 'print'",
        ),
        Case(
            "media.appendMedium()",
            SHEET,
            before="s.media = 'print'",
            act="s.sheet.media.appendMedium('screen')",
            listed=True,
        ),
        Case(
            "a media rule's text changes",
            f"<style id=s>@media print {{ .a {{ background: gold }} }} {PLAIN}</style>{BOXES}",
            act="s.sheet.cssRules[0].media.mediaText = 'all'",
            listed=True,
        ),
        Case(
            "a keyframe rule is edited",
            f"""<style id=s>{PLAIN} @keyframes k {{ to {{ background: red }} }}
            .a {{ animation: k 1s -1s both paused }}</style>{BOXES}""",
            act="s.sheet.cssRules[1].deleteRule('100%'); s.sheet.cssRules[1].appendRule('to { background: teal }')",
        ),
        Case(
            "adopted sheets are assigned",
            BOXES,
            act=f"""const sheet = new CSSStyleSheet(); sheet.replaceSync('{PLAIN} .a {{ background: gold }}');
            document.adoptedStyleSheets = [sheet]""",
        ),
        Case(
            "adoptedStyleSheets.push()",
            BOXES,
            act=f"""const sheet = new CSSStyleSheet(); sheet.replaceSync('{PLAIN} .a {{ background: gold }}');
            document.adoptedStyleSheets.push(sheet)""",
            listed=True,
        ),
        Case(
            "adoptedStyleSheets[0] =",
            BOXES,
            before=f"""const sheet = new CSSStyleSheet(); sheet.replaceSync('{PLAIN} .a {{ background: gold }}');
            document.adoptedStyleSheets = [sheet]""",
            act="""const other = new CSSStyleSheet(); other.replaceSync('.b { background: teal; height: 200px }');
            document.adoptedStyleSheets[0] = other""",
            listed=True,
        ),
        Case(
            "adopted sheets are taken off",
            BOXES,
            before=f"""const sheet = new CSSStyleSheet(); sheet.replaceSync('{PLAIN} .a {{ background: gold }}');
            document.adoptedStyleSheets = [sheet]""",
            act="document.adoptedStyleSheets.length = 0",
            listed=True,
        ),
        Case(
            "an adopted sheet is replaced",
            BOXES,
            before=f"""window.sheet = new CSSStyleSheet(); sheet.replaceSync('{PLAIN} .a {{ background: gold }}');
            document.adoptedStyleSheets = [sheet]""",
            act="sheet.replaceSync('.b { background: teal; height: 200px }')",
        ),
        Case(
            "an adopted sheet's rules are edited",
            BOXES,
            before=f"""window.sheet = new CSSStyleSheet(); sheet.replaceSync('{PLAIN} .a {{ background: gold }}');
            document.adoptedStyleSheets = [sheet]""",
            act="""sheet.cssRules[1].style.background = 'teal'; sheet.insertRule('.c { background: tomato }', 2)""",
            listed=True,
        ),
        Case(
            "one adopted sheet in two shadow trees",
            "<div id=h></div><div id=i></div>",
            before="""window.sheet = new CSSStyleSheet(); sheet.replaceSync('p { background: gold; font-size: 40px }');
            for (const host of [h, i]) { const root = host.attachShadow({mode: 'open'});
            root.innerHTML = '<p>x</p>'; root.adoptedStyleSheets = [sheet] }""",
            act="sheet.replaceSync('p { background: teal; font-size: 60px; line-height: 80px }')",
        ),
        Case(
            "a shadow tree adopts a sheet later",
            "<div id=h></div>",
            before="h.attachShadow({mode: 'open'}).innerHTML = '<p>x</p>'",
            act="""const sheet = new CSSStyleSheet(); sheet.replaceSync('p { background: gold; font-size: 90px }');
            h.shadowRoot.adoptedStyleSheets.push(sheet)""",
            listed=True,
        ),
        Case(
            "a burst of style changes",
            f"<div id=a style='width: 100px; height: 60px; background: gold'></div>{SHEET.replace('id=a', 'id=z')}",
            act="""for (let n = 0; n < 500; n++) { a.style.width = n + 'px'; a.style.setProperty('--n', n);
            if (n % 50 === 0) await new Promise((go) => setTimeout(go)); }
            for (let n = 0; n < 200; n++) s.sheet.insertRule('.c { height: ' + n + 'px }', s.sheet.cssRules.length)""",
        ),
        Case(
            "a library adds rule after rule",
            "<style id=s></style><main id=m></main>",
            act="""for (let n = 0; n < 60; n++) { s.sheet.insertRule('.k' + n + ' { background: hsl(' + n * 6 +
            ' 80% 60%); display: inline-block; width: 50px; height: 30px }', s.sheet.cssRules.length);
            m.append(Object.assign(document.createElement('i'), { className: 'k' + n }));
            if (n % 9 === 0) await new Promise((go) => setTimeout(go)); }""",
        ),
    ),
    *group(
        "What sheets say",
        shorthand("padding", ".a { padding: var(--v); padding-left: 200px; background: gold }"),
        shorthand(
            "border", ".a { border: 20px solid var(--c); border-left-color: teal; height: 150px }"
        ),
        shorthand(
            "background",
            ".a { background: var(--c) no-repeat; background-size: 50%; height: 200px }",
        ),
        shorthand(
            "font", ".a { font: italic var(--v)/2 serif; font-weight: bold; background: gold }"
        ),
        shorthand("margin", ".a { margin: var(--v); margin-top: 0; background: gold }"),
        shorthand(
            "inset",
            ".a { position: absolute; inset: var(--v); top: 100px; background: gold; height: auto }",
        ),
        shorthand(
            "grid",
            "body { display: grid; grid: auto / var(--v) 1fr; grid-auto-rows: 90px } .b { background: gold }",
        ),
        Case(
            "a linked sheet with var() and a longhand",
            f"<link rel=stylesheet href=a.css>{BOXES}",
            files={
                "a.css": (
                    CSS,
                    ":root { --v: 40px } .a { padding: var(--v); padding-left: 200px; background: gold }",
                )
            },
            listed=True,
        ),
        Case(
            "an edited sheet with var() and a longhand",
            f"<style id=s>:root {{ --v: 40px }} .a {{ padding: var(--v); padding-left: 200px; background: gold }}</style>{BOXES}",
            act="s.sheet.insertRule('.b { background: teal }', 0)",
            listed=True,
            why="Browsers do not tell what such a shorthand was, and an edited sheet is no longer what was written.",
        ),
        Case(
            "an adopted sheet with var() and a longhand",
            BOXES,
            before="""const sheet = new CSSStyleSheet(); sheet.replaceSync(
            ':root { --v: 40px } .a { padding: var(--v); padding-left: 200px; background: gold }');
            document.adoptedStyleSheets = [sheet]""",
            listed=True,
            why="Browsers do not tell what such a shorthand was, and a script's sheet was never written in the page.",
        ),
        Case(
            "an inline style with var() and a longhand",
            "<div style='--v: 40px; padding: var(--v); padding-left: 200px; background: gold'>x</div>",
        ),
        Case(
            "nested rules",
            f"<style id=s>{PLAIN} body {{ .a {{ background: gold; & + .b {{ background: teal }} }} @media all {{ .c {{ "
            f"color: red }} }} }}</style>{BOXES}",
            act="s.sheet.cssRules[1].cssRules[0].insertRule('&.a { height: 150px }')",
        ),
        Case(
            "layers",
            f"<style>@layer low, high; @layer high {{ .a {{ background: gold }} }} @layer low {{ div.a {{ background: red"
            f" !important; height: 100px }} }} @layer {{ .b {{ background: teal }} }}</style>{BOXES}",
        ),
        Case(
            "containers",
            f"""<style>{PLAIN} #w {{ container: box / inline-size; width: 500px }} @container box (width < 300px) {{
            .a {{ background: gold }} }} @container (width > 300px) {{ .b {{ background: teal }} }}
            @container style(--x: 1) {{ .c {{ background: tomato }} }}</style><div id=w>{BOXES}</div>""",
            act="w.style.width = '250px'; w.style.setProperty('--x', '1')",
        ),
        Case(
            "scopes",
            f"<style>{PLAIN} @scope (.b) to (.stop) {{ :scope {{ background: gold }} i {{ color: red; font-size: 60px }} }}"
            f"</style>{BOXES.replace('beta', '<i>in</i><b class=stop><i>out</i></b>')}",
        ),
        Case(
            ":has() and :is()",
            f"<style>{PLAIN} body:has(.on) .c {{ background: gold }} :is(.a, .b):not(.on) {{ color: red }}</style>{BOXES}",
            act="a.classList.add('on')",
        ),
        Case(
            "registered properties",
            f"<style>@property --w {{ syntax: '<length>'; inherits: false; initial-value: 300px }} {PLAIN}"
            f".a, .b {{ width: var(--w); background: gold }} .b {{ --w: nonsense }}</style>{BOXES}",
            act="CSS.registerProperty({ name: '--q', syntax: '<color>', inherits: true, initialValue: 'teal' });"
            "c.style.background = 'var(--q)'",
            why="No browser tells which properties scripts have registered.",
        ),
        Case(
            "what the browser supports",
            f"<style>{PLAIN} @supports (display: grid) {{ .a {{ background: gold }} }} @supports not (nonsense: 1) {{ .b {{"
            f" background: teal }} }} @supports selector(:nonsense) {{ .c {{ background: red }} }}</style>{BOXES}",
        ),
        Case(
            "sheets that import sheets",
            f"<style>@import 'a.css'; {PLAIN}</style><link rel=stylesheet href=c.css>{BOXES}",
            files={
                "a.css": (CSS, "@import url(b.css) layer(x); .a { background: gold }"),
                "b.css": (CSS, ".b { background: teal }"),
                "c.css": (CSS, "@import 'd.css' screen; @import 'e.css' print; .a { color: red }"),
                "d.css": (CSS, ".c { background: tomato }"),
                "e.css": (CSS, ".c { display: none }"),
            },
        ),
        Case(
            "a sheet of another host",
            f"<link rel=stylesheet href='{{other}}/a.css'>{BOXES}",
            files={"a.css": (CSS, ".a { background: gold; height: 200px; font-size: 60px }")},
        ),
        Case(
            "print is not screen",
            f"""<style>{PLAIN} @media print {{ .a {{ background: red }} }} @media screen {{ .b {{ background: gold }} }}
            </style><style media=print>.c {{ background: red }}</style>{BOXES}""",
        ),
        Case(
            "boxes before and after",
            """<style>p { font-size: 40px; line-height: 60px } p::before { content: "before " attr(data-x); background:
            gold } p::after { content: "\\201C" counter(n) ; color: red; border: 5px solid } p { counter-increment: n }
            .on::after { display: block; height: 60px; background: teal }</style><p data-x=1>a<p id=b data-x=2>b""",
            act="b.dataset.x = 'changed'; b.className = 'on'",
        ),
        Case(
            "markers and quotes",
            """<style>li { font-size: 50px; line-height: 60px } li::marker { color: red; content: "» " } .z { list-style:
            square inside } q { quotes: "<" ">" } @counter-style own { system: cyclic; symbols: "A" "B"; suffix: ": " }
            .own { list-style: own } .own::marker { content: normal }</style><ul><li>a<li class=z>b<li class=own>c</ul>
            <q style="font-size: 50px">quoted</q>""",
        ),
        Case(
            "first letters and lines",
            """<style>p::first-letter { font-size: 120px; color: red; float: left; line-height: 1 } p::first-line {
            background: gold; font-weight: bold }</style><p id=a style="font-size: 30px; line-height: 40px">Once upon a time
            there was a text that was long enough to have several lines of its own""",
            act="a.firstChild.insertData(0, 'But ')",
        ),
        Case(
            "a placeholder and a file button",
            """<style>input { font-size: 50px; width: 500px } ::placeholder { color: red; font-weight: bold; opacity: 1 }
            ::file-selector-button { background: gold; border: 10px solid teal }</style>
            <input placeholder=placeholder><input type=file>""",
        ),
        Case(
            "styled scrollbars and controls",
            """<style>input { accent-color: red; width: 100px; height: 100px } select { appearance: none; padding: 20px;
            background: gold } :root { scrollbar-gutter: stable }</style><input type=checkbox checked><input type=radio
            checked><select><option>x</select>""",
        ),
        Case(
            "colours of today",
            """<style>div { height: 60px } .a { background: oklch(70% 0.2 50) } .b { background: color-mix(in srgb, red,
            blue) } .c { background: color(display-p3 0 1 0); color: light-dark(red, blue) }
            .a { width: calc(100% - min(10vw, 90px)); }</style>"""
            + BOXES,
        ),
        Case(
            "filters, masks, clips and blends",
            """<style>div { height: 90px; background: gold } .a { filter: invert(1) hue-rotate(90deg); } .b { clip-path:
            polygon(0 0, 100% 0, 50% 100%) } .c { mask: linear-gradient(90deg, #000 50%, transparent 50%);
            mix-blend-mode: multiply; backdrop-filter: blur(4px); box-shadow: 0 0 40px red inset }</style>"""
            + BOXES,
        ),
    ),
    *group(
        "Layout",
        Case(
            "grid and flex",
            """<style>body { display: grid; grid-template: "h h" 60px "n m" 1fr / 150px 1fr; gap: 10px; height: 380px }
            .a { grid-area: h; background: gold } .b { grid-area: n; background: teal } .c { grid-area: m; display: flex;
            justify-content: space-between; align-items: end; background: silver }</style>"""
            + BOXES.replace("gamma", "<b>1</b><b>2</b><b>3</b>"),
            act="document.body.style.gridTemplateColumns = '300px 1fr'; c.style.flexDirection = 'row-reverse'",
        ),
        Case(
            "sticky and fixed",
            """<style>header { position: sticky; top: 0; height: 60px; background: gold } footer { position: fixed;
            bottom: 0; left: 0; right: 0; height: 60px; background: teal } main { height: 3000px; background:
            linear-gradient(red, blue) }</style><header>head</header><main></main><footer>foot</footer>""",
            act="scrollTo(0, 900)",
        ),
        Case(
            "columns, floats and tables",
            f"""<style>.a {{ columns: 3; column-rule: 5px solid red }} .b {{ float: right; width: 200px; height: 100px;
            background: teal }} table {{ border-collapse: collapse }} td {{ border: 4px solid; padding: 10px }}</style>
            <div class=a>{"some words in columns " * 15}</div><div class=b></div><table><caption>t</caption><colgroup>
            <col style="background: gold"><col></colgroup><tr><td rowspan=2>a<td>b<tr><td id=c>c</table>""",
            act="c.parentNode.insertCell().textContent = 'new'; c.colSpan = 2",
        ),
        Case(
            "right to left",
            """<style>div { padding-inline-start: 100px; border-inline-end: 20px solid red; background: gold;
            text-align: start }</style><div id=w>שלום hello (1)<ul><li>one<li>two</ul></div><bdo dir=rtl>abc</bdo>""",
            act="document.documentElement.dir = 'rtl'",
        ),
        Case(
            "writing from top to bottom",
            """<div id=a style="writing-mode: vertical-rl; height: 300px; background: gold; font-size: 40px; line-height:
            60px">縦書き text <span style="text-combine-upright: all">12</span><ruby>漢<rt>kan</rt></ruby></div>""",
            act="a.style.writingMode = 'vertical-lr'; a.style.textOrientation = 'upright'",
        ),
        Case(
            "CSS zoom",
            f"<div id=w><style>{PLAIN} .a {{ background: gold; zoom: 2 }}</style>{BOXES}</div>",
            act="document.body.style.zoom = 0.5; b.style.zoom = 3; b.style.background = 'teal'",
        ),
        Case(
            "transforms",
            """<style>div { width: 200px; height: 100px; background: gold; margin: 40px } .b { rotate: 20deg; scale: 1.2;
            perspective: 100px } .c { background: teal; transform: perspective(300px) rotateY(50deg) }</style>"""
            + BOXES,
            act="a.style.transform = 'translate(100px, 30px) skewX(20deg)'",
        ),
        Case(
            "viewport units and queries",
            """<style>div { height: 20vh; width: 50vw; background: gold; font-size: 8vmin } @media (width: 600px) and
            (height: 400px) { .b { background: teal } } @media (orientation: landscape) { .c { background: tomato } }
            @media (min-aspect-ratio: 2/1) { .c { background: red } }</style>"""
            + BOXES,
        ),
    ),
)
