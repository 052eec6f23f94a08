"""Nodes and their order: text, attributes, lists, moves, large and odd trees."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from tests.fidelity.case import Case, group

BIG = "<style>p, li, td, div { font-size: 40px; line-height: 48px; margin: 0 }</style>"
ITEMS = "".join(f"<li id=i{n} style='background:hsl({n * 40} 80% 80%)'>item {n}" for n in range(8))

CASES = (
    *group(
        "Text and attributes",
        Case(
            "text changes",
            f"{BIG}<p id=a>before <b id=b>bold</b>",
            act="a.firstChild.data = 'after '; b.firstChild.appendData(' and more')",
        ),
        Case(
            "text is split and joined",
            f"{BIG}<p id=a>one two three",
            act="""a.firstChild.splitText(4).splitText(4).data = 'four';
            a.insertBefore(document.createElement('b'), a.lastChild).textContent = 'THREE ';
            a.firstChild.data = 'ONE '; a.normalize(); a.append('!')""",
        ),
        Case(
            "attributes change what rules apply",
            f"""{BIG}<style>[title=on] {{ background: gold }} .big {{ font-size: 80px; line-height: 90px }}
            #other {{ color: red }} [data-state=open] {{ border: 20px solid teal }}</style>
            <p id=a>one<p id=b>two<div id=c data-state=closed>three</div>""",
            act="a.title = 'on'; b.className = 'big'; b.id = 'other'; c.dataset.state = 'open'",
        ),
        Case(
            "inline style changes",
            f"{BIG}<p id=a style='color: red'>styled<p id=b style='padding: 40px'>x",
            act="""a.style.cssText = 'background: teal; color: white; --x: 1';
            b.style.setProperty('border-left', '60px solid orange', 'important'); b.style.padding = ''""",
        ),
        Case(
            "attributes of other namespaces",
            """<style>[*|tone=dark] { background: black; color: white }</style>
            <p id=a style="font-size: 60px; line-height: 70px">text</p>
            <svg width=300 height=100><text y=60 font-size=40 id=t>a    b</text></svg>""",
            act="""a.setAttributeNS('urn:x', 'x:tone', 'dark');
            t.setAttributeNS('http://www.w3.org/XML/1998/namespace', 'xml:space', 'preserve')""",
            why="Attributes of namespaces of a page's own arrive without their namespace.",
        ),
        Case(
            "comments, CDATA and white space",
            f"""{BIG}<div>a<!-- no -->b<!-- no -->   c</div><pre style="font-size:30px">
 two
   lines <!-- x -->  end</pre><svg width=400 height=60><text y=40 font-size=30 id=t></text></svg>
            <div id=d></div>""",
            act="""const xml = new DOMParser().parseFromString('<x>&lt;<![CDATA[<shown>]]></x>', 'text/xml');
            t.append(...[...xml.documentElement.childNodes].map((node) => node.nodeType === 4
              ? document.createTextNode(node.data) : document.importNode(node)));
            d.append('x', document.createComment('y'), 'z'); d.childNodes[1].data = 'changed'""",
        ),
        Case(
            "custom properties change",
            """<style>:root { --main: tomato; --gap: 10px } div { background: var(--main);
            padding: var(--gap); height: 60px }</style><div>a<div id=b style="--main: gold">b</div></div>""",
            act="""document.documentElement.style.setProperty('--main', 'teal');
            b.style.setProperty('--gap', '30px')""",
        ),
        Case(
            "title, lang and dir",
            "<style>:lang(de) { color: red; font-size: 60px; line-height: 80px }</style><p id=a>Straße ABC",
            act="a.lang = 'de'; a.dir = 'rtl'; a.title = 'Straße'",
        ),
    ),
    *group(
        "Lists and moves",
        Case(
            "items come and go",
            f"{BIG}<ul id=l>{ITEMS}</ul>",
            act="""i1.remove(); l.prepend(Object.assign(document.createElement('li'), {textContent: 'new'}));
            i5.replaceWith('text'); i3.after(i7)""",
        ),
        Case(
            "a storm of insertBefore",
            f"{BIG}<ul id=l>{ITEMS}</ul>",
            act="""let seed = 7; const next = (n) => (seed = seed * 16807 % 2147483647) % n;
            for (let n = 0; n < 300; n++) {
              l.insertBefore(l.children[next(8)], l.children[next(8)]);
              if (n % 37 === 0) await new Promise((go) => setTimeout(go));
            }""",
        ),
        Case(
            "replaceChildren and innerHTML",
            f"{BIG}<div id=a>{'<i>x</i>' * 20}</div><div id=b>old</div>",
            act="""a.replaceChildren('text ', document.createElement('hr'), 'end');
            b.innerHTML = '<b>new</b> <u>content</u>'; b.insertAdjacentHTML('beforeend', '<s>!</s>')""",
        ),
        Case(
            "clones of a template",
            f"""{BIG}<template id=t><div style="background: gold">row <b></b></div></template>
            <main id=m></main>""",
            act="""for (let n = 0; n < 5; n++) { const row = t.content.cloneNode(true);
            row.querySelector('b').textContent = n; m.append(row); }""",
        ),
        Case(
            "a parent moves with what is in it",
            f"""{BIG}<div id=from style="background:gold"><section id=s><p>deep <b id=b>x</b></p></section></div>
            <div id=to style="background:teal"></div>""",
            act="to.append(s); b.textContent = 'moved'; from.append(to); s.append('end')",
        ),
        Case(
            "a node is wrapped and unwrapped",
            f"{BIG}<div id=a>one <b id=b>two</b> three</div>",
            act="""const around = document.createElement('mark'); b.before(around); around.append(b);
            await new Promise(requestAnimationFrame); const u = document.createElement('u');
            a.before(u); u.append(a);""",
        ),
        Case(
            "counters of lists",
            f"""{BIG}<style>ol.own {{ counter-reset: part 3; list-style: none }}
            ol.own li::before {{ counter-increment: part; content: "§" counter(part, upper-roman) " " }}
            </style><ol id=a start=5 type=a><li>x<li value=9>y</ol><ol class=own><li>x<li>y</ol>""",
            act="a.reversed = true; a.children[1].value = 20; a.append(document.createElement('li'))",
        ),
    ),
    *group(
        "Large and odd trees",
        Case(
            "2,000 rows",
            """<table id=t></table>""",
            before="""t.innerHTML = Array.from({length: 2000}, (_, n) =>
            `<tr><td>${n}<td style="background: hsl(${n * 7} 90% 60%)">name ${n}<td><b>x</b>`).join("")""",
            act="t.rows[5].remove(); t.rows[2].cells[1].textContent = 'changed'; scrollTo(0, 20000)",
        ),
        Case(
            "2,000 rows added later",
            "<table id=t></table>",
            act="""t.innerHTML = Array.from({length: 2000}, (_, n) =>
            `<tr><td>${n}<td style="background: hsl(${n * 7} 90% 60%)">name ${n}<td><b>x</b>`).join("");
            scrollTo(0, 30000)""",
        ),
        Case(
            "300 levels deep",
            "<div id=a></div>",
            before="""let at = a; for (let n = 0; n < 300; n++) { const next = document.createElement('div');
            next.style.cssText = 'padding: 0.5px; background: ' + (n % 2 ? 'gold' : 'teal');
            at.append(next); at = next; } at.textContent = 'the end'; window.end = at""",
            act="end.textContent = 'the very end'; end.style.color = 'red'; end.style.fontSize = '60px'",
        ),
        Case(
            "quirks mode",
            """<html><head><title>quirks</title></head><body><style>.Odd { height: 50%; background: gold }
            table { color: red }</style><font size=7 color=green>font</font><div class=odd>half</div>
            <table><tr><td>not inherited size</table><div style="width: 100">no unit</div>""",
        ),
        Case(
            "limited quirks mode",
            """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
            "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd"><html><head><title>x</title></head>
            <body style="background: silver"><table cellpadding=0><tr><td style="font-size: 60px; background:
            teal"><img alt="" width=200 height=100 style="background: gold"></table></body></html>""",
        ),
        Case(
            "markup that no script could make",
            """<p style="font-size: 60px; line-height: 80px"><b <i>odd</b</i> <x"y>names</x"y></p>
            <table><b>in front</b><tr><td bgcolor=gold>cell</table><p>p<p>p</div></span>""",
        ),
        Case(
            "a page is written after load",
            "<h1>first</h1>",
            act="""document.open(); document.write('<!doctype html><title>second</title>' +
            '<body style="background: gold"><h1 id=a>second</h1><p>page</p>'); document.close()""",
            listed=True,
        ),
        Case(
            "a page is written and goes on changing",
            "<h1>first</h1>",
            act="""document.open(); document.write('<title>second</title><body style="margin: 0">' +
            '<h1 id=a style="font-size: 90px">second</h1>'); document.close();
            await new Promise((go) => setTimeout(go, 300));
            document.querySelector('#a').textContent = 'third';
            document.body.style.background = 'teal'""",
            listed=True,
        ),
        Case(
            "document.write while the page loads",
            """<style>b { font-size: 80px; line-height: 90px; background: gold }</style>
            <script>document.write('<b>written</b><i id=i>x')</script> after""",
            act="i.textContent = 'then'; i.style.fontSize = '80px'",
        ),
        Case(
            "the whole body is replaced",
            "<h1>first</h1>",
            act="""const body = document.createElement('body'); body.innerHTML = '<h1>other</h1>';
            body.style.background = 'gold'; document.body.replaceWith(body);
            await new Promise((go) => setTimeout(go, 200)); body.append('more')""",
        ),
        Case(
            "the root element is replaced",
            "<h1>first</h1>",
            act="""const root = document.createElement('html'); root.style.background = 'teal';
            root.innerHTML = '<head></head><body><h1>another root</h1></body>';
            document.documentElement.replaceWith(root)""",
        ),
        Case(
            "noscript is not shown",
            """<noscript><h1 style="background: red">no scripts here</h1></noscript><h1 id=a>shown</h1>""",
            act="""const no = document.createElement('noscript'); no.textContent = 'nothing';
            a.after(no, document.createElement('hr'), 'end')""",
        ),
        Case(
            "object and embed",
            """<object id=o data="a.svg" width=200 height=120></object>
            <embed src="a.svg" width=200 height=120><object data="missing" width=9><h1>instead</h1></object>""",
            files={
                "a.svg": (
                    "image/svg+xml",
                    '<svg xmlns="http://www.w3.org/2000/svg"><rect width="999" height="999" '
                    'fill="purple"/></svg>',
                ),
                "missing": lambda head: b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            },
            why="What object and embed elements show is not carried along; they keep no size of their own.",
        ),
        Case(
            "an XHTML page",
            """<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>
            <body style="background: gold"><DIV style="font-size: 90px">Upper</DIV><p id="a"/></body></html>""",
            act="document.querySelector('#a').textContent = 'changed'; document.body.style.color = 'red'",
        ),
    ),
)
