"""Pictures, drawings, films and fonts."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from tests.browser.pages import respond
from tests.fidelity.case import Case, group
from tests.fidelity.media import FONT, ICONS, VIDEO, jpeg, png, sound, svg

PNG, SVG, TTF, CSS = "image/png", "image/svg+xml", "font/ttf", "text/css"
BIG = "<style>img, canvas, video, svg { width: 320px; height: 240px }</style>"
TEXT = "<p id=a style='font: 60px/80px {}, serif'>Text in it</p>"
DRAW = """const paint = (colour) => { const c = a.getContext('2d'); c.fillStyle = colour;
c.fillRect(10, 10, 200, 100); c.font = '40px sans-serif'; c.fillStyle = 'white'; c.fillText('drawn', 30, 70) };"""
SHADE = """const shade = (r, g, b) => { const gl = a.getContext('webgl', {}); gl.clearColor(r, g, b, 1);
gl.clear(gl.COLOR_BUFFER_BIT) };"""


def only_with_cookie(head: bytes) -> bytes:
    """As sites do that show pictures to those alone who are logged in."""
    if b"may-see=1" in head:
        return respond(png(), content_type=PNG)
    return b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"


def missing(head: bytes) -> bytes:
    return b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"


def font_for_all(head: bytes) -> bytes:
    return respond(FONT, "Access-Control-Allow-Origin: *", content_type=TTF)


def face(family: str, address: str) -> str:
    return f"@font-face {{ font-family: {family}; src: url({address}) }}"


CASES = (
    *group(
        "Images",
        Case("an image", f"{BIG}<img src=a.png alt=''>", files={"a.png": (PNG, png())}),
        Case(
            "a photograph", f"{BIG}<img src=a.jpg alt=''>", files={"a.jpg": ("image/jpeg", jpeg())}
        ),
        Case(
            "an image of its own size", "<img src=a.png alt=''> text", files={"a.png": (PNG, png())}
        ),
        Case("a drawing as image", f"{BIG}<img src=a.svg alt=''>", files={"a.svg": (SVG, svg())}),
        Case(
            "an image changes",
            f"{BIG}<img id=a src=a.png alt=''>",
            files={"a.png": (PNG, png()), "b.png": (PNG, png("navy", "lime", (300, 100)))},
            act="a.src = 'b.png'; await new Promise((go) => a.addEventListener('load', go))",
        ),
        Case(
            "an image is added",
            "<h1>page</h1>",
            files={"a.png": (PNG, png())},
            act="""const image = new Image(400); image.src = 'a.png'; document.body.append(image);
            await image.decode()""",
        ),
        Case(
            "the right one of a srcset",
            "<img id=a srcset='a.png 300w, b.png 900w' sizes=200px alt=''>",
            files={
                "a.png": (PNG, png(size=(300, 200))),
                "b.png": (PNG, png("navy", "lime", (900, 600))),
            },
            act="a.sizes = '500px'; await new Promise((go) => a.addEventListener('load', go))",
        ),
        Case(
            "a picture of several sources",
            f"""{BIG}<picture><source media="(width < 100px)" srcset=b.png><source media="(width > 100px)" id=s
            srcset=a.png><img id=a src=b.png alt=''></picture>""",
            files={
                "a.png": (PNG, png()),
                "b.png": (PNG, png("navy", "lime")),
                "c.png": (PNG, png("red", "teal")),
            },
            act="s.srcset = 'c.png'; await new Promise((go) => a.addEventListener('load', go))",
        ),
        Case(
            "an image that loads when it is near",
            f"{BIG}<h1 style='height: 5000px'>page</h1><img id=a loading=lazy src=a.png alt=''>",
            files={"a.png": (PNG, png())},
            act="a.scrollIntoView(); await a.decode()",
        ),
        Case(
            "an image of a blob",
            f"{BIG}<img id=a alt=''>",
            files={"a.png": (PNG, png())},
            act="a.src = URL.createObjectURL(await (await fetch('a.png')).blob()); await a.decode()",
            listed=True,
        ),
        Case(
            "an image of a blob before the session",
            f"{BIG}<img id=a alt=''>",
            files={"a.png": (PNG, png())},
            before="""fetch('a.png').then((r) => r.blob()).then((b) => { const u = URL.createObjectURL(b);
            a.src = u; a.onload = () => URL.revokeObjectURL(u) })""",
            act="await a.decode(); document.body.append('there')",
            listed=True,
        ),
        Case(
            "an image of data",
            f"{BIG}<img id=a alt='' src=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'%3E%3Crect "
            "width='999' height='999' fill='teal'/%3E%3C/svg%3E\">",
        ),
        Case(
            "an image for those alone who are logged in",
            f"{BIG}<img id=a alt=''>",
            files={"a.png": only_with_cookie},
            before="document.cookie = 'may-see=1'; a.src = 'a.png'",
            act="await a.decode(); document.body.append('there')",
            listed=True,
        ),
        Case(
            "an image of another host",
            f"{BIG}<img src='{{other}}/a.png' alt=''>",
            files={"a.png": (PNG, png())},
        ),
        Case(
            "an image that is missing",
            "<style>* { font-size: 40px; line-height: 50px }</style><img src=no.png alt='what it would show' width=300 height=200 style='background: gold'><img src=no.png alt='text instead'>",
            files={"no.png": missing},
        ),
        Case(
            "how images fit",
            f"""{BIG}<style>img {{ border: 5px solid; width: 250px; height: 150px }}</style><img src=a.png alt=''
            style="object-fit: contain"><img id=b src=a.png alt='' style="object-fit: cover; object-position: 0 0"><br>
            <img src=a.png alt='' style="object-fit: none; border-radius: 50%">""",
            files={"a.png": (PNG, png())},
            act="b.style.objectFit = 'scale-down'",
        ),
        Case(
            "an image as button, and a map",
            f"""{BIG}<input type=image src=a.png alt=go width=200 height=150><img usemap=#m src=a.png alt=''>
            <map name=m><area shape=rect coords=0,0,50,50 href=#x></map>""",
            files={"a.png": (PNG, png())},
        ),
        Case(
            "an image of a huge size",
            f"{BIG}<img src=a.png alt=''>",
            files={"a.png": (PNG, png(size=(3000, 2000)))},
        ),
        Case(
            "a GIF",
            f"{BIG}<img src=a.gif alt=''>",
            files={
                "a.gif": (
                    "image/gif",
                    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x80\x00\x00\x00\x00!"
                    b"\xf9\x04\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
                )
            },
        ),
    ),
    *group(
        "Images in style sheets",
        Case(
            "a background in a style element",
            "<style>#a { height: 300px; background: url(a.png) }</style><div id=a>x</div>",
            files={"a.png": (PNG, png())},
        ),
        Case(
            "a background in an inline style",
            "<div id=a style='height: 300px; background: url(a.png)'>x</div>",
            files={"a.png": (PNG, png()), "b.png": (PNG, png("navy", "lime"))},
            act="await new Promise((go) => { const i = new Image(); i.onload = go; i.src = 'b.png' });"
            "a.style.backgroundImage = 'url(b.png)'",
        ),
        Case(
            "a background in a linked sheet",
            "<link rel=stylesheet href=css/a.css><div id=a>x</div>",
            files={
                "css/a.css": (CSS, "#a { height: 300px; background: url(../img/a.png) }"),
                "img/a.png": (PNG, png()),
            },
        ),
        Case(
            "a background in an imported sheet",
            "<style>@import 'css/a.css';</style><div id=a>x</div>",
            files={
                "css/a.css": (CSS, "@import 'more/b.css';"),
                "css/more/b.css": (CSS, "#a { height: 300px; background: url(a.png) }"),
                "css/more/a.png": (PNG, png()),
            },
        ),
        Case(
            "a background relative to <base>",
            "<!doctype html><title>x</title><base href=deep/><style>#a { height: 300px; background: url(a.png) }"
            "</style><div id=a>x</div><img src=a.png alt=''>",
            files={"deep/a.png": (PNG, png())},
        ),
        Case(
            "a background of a blob",
            "<div id=a style='height: 300px'>x</div>",
            files={"a.png": (PNG, png())},
            act="""const blob = await (await fetch('a.png')).blob(); const i = new Image();
            i.src = URL.createObjectURL(blob); await i.decode(); a.style.background = `url(${i.src})`""",
            listed=True,
        ),
        Case(
            "a background of data",
            "<style>#a { height: 300px; background: url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
            "width='80' height='80'%3E%3Ccircle r='40' fill='red'/%3E%3C/svg%3E\") }</style><div id=a>x</div>",
        ),
        Case(
            "a background of another host",
            "<style>#a { height: 300px; background: url({other}/a.png) }</style><div id=a>x</div>",
            files={"a.png": (PNG, png())},
        ),
        Case(
            "the right one of an image-set",
            "<style>#a { height: 300px; background: image-set('b.png' 2x, 'a.png' 1x) }</style><div id=a>x</div>",
            files={"a.png": (PNG, png()), "b.png": (PNG, png("navy", "lime"))},
        ),
        Case(
            "list images, borders, masks and content",
            """<style>li { list-style: url(s.png) inside; font-size: 40px; line-height: 50px } .b { border: 30px solid;
            border-image: url(a.png) 30; height: 60px } .c { height: 90px; background: teal; mask: url(a.png) }
            .d::before { content: url(a.png) }</style><li>list<div class=b></div><div class=c></div><div class=d></div>""",
            files={"a.png": (PNG, png()), "s.png": (PNG, png(size=(40, 40)))},
        ),
        Case(
            "a background by a custom property",
            "<style>:root { --image: url(a.png) } #a { height: 300px; background: var(--image) }</style><div id=a>x</div>",
            files={"a.png": (PNG, png())},
        ),
        Case(
            "a background by a class that comes later",
            "<style>.on { height: 300px; background: url(a.png) }</style><div id=a>x</div>",
            files={"a.png": (PNG, png())},
            act="a.className = 'on'; await new Promise((go) => { const i = new Image(); i.onload = go; i.src = 'a.png' })",
        ),
    ),
    *group(
        "Canvas",
        Case(
            "a canvas",
            "<canvas id=a width=400 height=200></canvas>",
            before=DRAW + "paint('teal')",
            listed=True,
        ),
        Case(
            "a canvas is drawn on",
            "<canvas id=a width=400 height=200></canvas>",
            before=DRAW + "paint('teal'); window.paint = paint",
            act="paint('red')",
            listed=True,
        ),
        Case(
            "a canvas is resized",
            "<canvas id=a width=400 height=200 style='border: 9px solid'></canvas>",
            before=DRAW + "paint('teal'); window.paint = paint",
            act="a.width = 300; a.height = 300; paint('gold')",
            listed=True,
        ),
        Case(
            "a canvas is added",
            "<h1>page</h1>",
            act="const a = document.createElement('canvas'); document.body.append(a);"
            + DRAW
            + "paint('teal')",
            listed=True,
        ),
        Case(
            "WebGL",
            "<canvas id=a width=400 height=300></canvas>",
            before=SHADE + "window.shade = shade; shade(0, 0.5, 0.5)",
            act="shade(1, 0.5, 0); await new Promise(requestAnimationFrame)",
            listed=True,
            why="What WebGL has drawn before the session is gone from its buffer until it draws again.",
        ),
        Case(
            "a canvas in a worker's hands",
            "<canvas id=a width=400 height=200></canvas>",
            act="""const off = a.transferControlToOffscreen(); const c = off.getContext('2d'); c.fillStyle = 'teal';
            c.fillRect(20, 20, 300, 150); await new Promise((go) => setTimeout(go, 100))""",
            listed=True,
        ),
        Case(
            "a canvas of bitmaps",
            "<canvas id=a width=160 height=120></canvas>",
            files={"a.png": (PNG, png())},
            act="""const bitmap = await createImageBitmap(await (await fetch('a.png')).blob());
            a.getContext('bitmaprenderer').transferFromImageBitmap(bitmap)""",
            listed=True,
        ),
        Case(
            "a canvas with another host's image",
            "<canvas id=a width=400 height=200></canvas><img id=i src='{other}/a.png' alt='' hidden>",
            files={"a.png": (PNG, png())},
            act="const c = a.getContext('2d'); await i.decode(); c.drawImage(i, 0, 0, 300, 200)",
            listed=True,
            why="A canvas with another host's image may not be read.",
        ),
    ),
    *group(
        "Film and sound",
        Case(
            "a film's first picture",
            f"{BIG}<video id=a src=a.webm muted preload=auto></video>",
            files={"a.webm": ("video/webm", VIDEO)},
            act="if (a.readyState < 2) await new Promise((go) => a.addEventListener('loadeddata', go));"
            "document.body.append('loaded')",
            listed=True,
        ),
        Case(
            "a film that is stopped in the middle",
            f"{BIG}<video id=a src=a.webm muted preload=auto></video>",
            files={"a.webm": ("video/webm", VIDEO)},
            # From a server that gives no parts of files, no film can be wound on.
            act="""a.src = URL.createObjectURL(await (await fetch('a.webm')).blob());
            await new Promise((go) => a.addEventListener('canplaythrough', go));
            a.currentTime = 2.5; await new Promise((go) => a.addEventListener('seeked', go))""",
            listed=True,
        ),
        Case(
            "a film's poster",
            f"{BIG}<video poster=a.png></video>",
            files={"a.png": (PNG, png(size=(320, 240)))},
        ),
        Case(
            "a film's controls",
            f"{BIG}<video id=a src=a.webm controls muted preload=auto></video>",
            files={"a.webm": ("video/webm", VIDEO)},
            act="if (a.readyState < 4) await new Promise((go) => a.addEventListener('canplaythrough', go));"
            "a.style.border = '9px solid teal'",
            why="The copy has a picture, not the film: its controls know no length.",
        ),
        Case(
            "a film of a blob",
            f"{BIG}<video id=a muted></video>",
            files={"a.webm": ("video/webm", VIDEO)},
            act="""a.src = URL.createObjectURL(await (await fetch('a.webm')).blob());
            await new Promise((go) => a.addEventListener('loadeddata', go))""",
            listed=True,
        ),
        Case(
            "a sound's controls",
            "<audio id=a src=a.wav controls preload=auto></audio>",
            files={"a.wav": ("audio/wav", sound())},
            act="if (a.readyState < 4) await new Promise((go) => a.addEventListener('canplaythrough', go));"
            "a.style.width = '500px'",
            why="The copy has no sound: its controls know no length.",
        ),
    ),
    *group(
        "Fonts",
        Case(
            "a font",
            f"<style>{face('Boxes', 'a.ttf')}</style>{TEXT.format('Boxes')}",
            files={"a.ttf": (TTF, FONT)},
        ),
        Case(
            "a font for all hosts",
            f"<style>{face('Boxes', 'a.ttf')}</style>{TEXT.format('Boxes')}",
            files={"a.ttf": font_for_all},
        ),
        Case(
            "a font of another host",
            f"<style>{face('Boxes', '{other}/a.ttf')}</style>{TEXT.format('Boxes')}",
            files={"a.ttf": font_for_all},
        ),
        Case(
            "a font in a linked sheet",
            f"<link rel=stylesheet href=css/a.css>{TEXT.format('Boxes')}",
            files={"css/a.css": (CSS, face("Boxes", "../a.ttf")), "a.ttf": (TTF, FONT)},
        ),
        Case(
            "a font made by script",
            TEXT.format("Made"),
            files={"a.ttf": (TTF, FONT)},
            act="""const face = new FontFace('Made', 'url(a.ttf)'); document.fonts.add(face); await face.load()""",
            listed=True,
            why="No browser tells where the fonts that scripts make come from.",
        ),
        Case(
            "a font made by script of bytes",
            TEXT.format("Made"),
            files={"a.ttf": (TTF, FONT)},
            before="""fetch('a.ttf').then((r) => r.arrayBuffer()).then((bytes) => {
            document.fonts.add(new FontFace('Made', bytes)) })""",
            act="await document.fonts.load('20px Made'); a.append('!')",
            listed=True,
            why="No browser tells where the fonts that scripts make come from.",
        ),
        Case(
            "icons of a font",
            f"""<style>{face("Icons", "i.ttf")} i::before {{ font: 120px/150px Icons; content: "\\E001"; color: red }}
            </style><i></i> <i></i>""",
            files={"i.ttf": (TTF, ICONS)},
        ),
        Case(
            "a font of data, used later",
            "<p id=a style='font-size: 60px; line-height: 80px'>Text in it</p><style id=s></style>",
            files={"a.ttf": (TTF, FONT)},
            act="""const bytes = new Uint8Array(await (await fetch('a.ttf')).arrayBuffer());
            s.textContent = '@font-face { font-family: D; src: url(data:font/ttf;base64,' +
            btoa(String.fromCharCode(...bytes)) + ') }'; a.style.fontFamily = 'D'; await document.fonts.load('9px D')""",
        ),
    ),
    *group(
        "Drawings and formulas",
        Case(
            "an inline drawing",
            f"""{BIG}<svg viewBox="0 0 100 75" id=s><defs><linearGradient id=g><stop stop-color=gold /><stop offset=1
            stop-color=teal /></linearGradient><clipPath id=c><circle cx=50 cy=37 r=30 /></clipPath></defs>
            <rect width=100 height=75 fill="url(#g)" clip-path="url(#c)"/><text x=20 y=40 font-size=14>text</text></svg>""",
        ),
        Case(
            "an inline drawing changes",
            f"""{BIG}<svg viewBox="0 0 100 75" id=s><rect id=r width=50 height=50 fill=teal /></svg>""",
            act="""r.setAttribute('width', 90); r.setAttribute('transform', 'rotate(10)'); r.style.fill = 'gold';
            s.append(document.createElementNS('http://www.w3.org/2000/svg', 'circle'));
            s.lastChild.setAttribute('r', 20)""",
        ),
        Case(
            "a drawing uses a sign of the page",
            f"""<svg width=0 height=0><symbol id=x viewBox="0 0 9 9"><circle r=9 fill=currentColor /></symbol>
            <symbol id=y viewBox="0 0 9 9"><rect width=9 height=9 /></symbol></svg>{BIG}
            <svg style="color: red"><use id=u href=#x /></svg>""",
            act="u.setAttribute('href', '#y')",
        ),
        Case(
            "xlink:href changes",
            f"""<svg width=0 height=0><symbol id=x viewBox="0 0 9 9"><circle r=9 fill=teal /></symbol>
            <symbol id=y viewBox="0 0 9 9"><rect width=9 height=9 fill=red /></symbol></svg>{BIG}
            <svg><use id=u xlink:href=#x /></svg>""",
            act="u.setAttributeNS('http://www.w3.org/1999/xlink', 'xlink:href', '#y')",
            listed=True,
        ),
        Case(
            "a drawing uses a sign of another file",
            f'{BIG}<svg><use href="signs.svg#sign"/></svg>',
            files={"signs.svg": (SVG, svg())},
        ),
        Case(
            "an image in a drawing",
            f'{BIG}<svg viewBox="0 0 100 75"><image href=a.png width=100 height=75 /></svg>',
            files={"a.png": (PNG, png())},
        ),
        Case(
            "a page in a drawing",
            f"""{BIG}<svg viewBox="0 0 320 240"><foreignObject width=300 height=200><div xmlns="http://www.w3.org/1999/xhtml"
            style="background: gold; font-size: 40px" id=d>in a drawing <b>bold</b></div></foreignObject></svg>""",
            act="d.querySelector('b').textContent = 'changed'; d.append(document.createElement('hr'))",
        ),
        Case(
            "patterns, filters, masks and markers",
            f"""{BIG}<svg viewBox="0 0 100 75"><defs><pattern id=p width=10 height=10 patternUnits=userSpaceOnUse><circle
            r=5 fill=teal /></pattern><filter id=f><feGaussianBlur stdDeviation=2 /></filter><mask id=m><rect width=50
            height=75 fill=white /></mask><marker id=k markerWidth=9 markerHeight=9><circle r=9 fill=red /></marker></defs>
            <rect width=100 height=40 fill="url(#p)" mask="url(#m)"/><rect y=40 width=40 height=30 filter="url(#f)"/>
            <path d="M50 40L90 70" stroke=blue marker-end="url(#k)"/></svg>""",
        ),
        Case(
            "a style in a drawing",
            f"{BIG}<svg viewBox='0 0 100 75'><style>rect {{ fill: gold }} rect:hover {{ fill: red }}</style><rect id=r width=90 height=70 /></svg>",
            act=lambda page: page.hover("#r"),
        ),
        Case(
            "a drawing moves by itself",
            f"""{BIG}<svg viewBox="0 0 100 75" id=s><rect width=20 height=70 fill=teal><animate attributeName=width
            to=90 begin=indefinite dur=0.1s fill=freeze id=n /></rect></svg>""",
            act="n.beginElement(); await new Promise((go) => n.addEventListener('endEvent', go))",
            why="When a script has begun a drawing's animation is not carried along.",
        ),
        Case(
            "a formula",
            """<math display=block style="font-size: 90px"><mfrac><mi>a</mi><msqrt><mi>b</mi></msqrt></mfrac>
            <mo>=</mo><msup><mi>x</mi><mn>2</mn></msup></math>""",
            listed=True,
        ),
        Case(
            "a formula changes",
            """<math style="font-size: 90px"><mfrac><mi id=a>a</mi><mi>b</mi></mfrac></math>""",
            act="""const made = (tag) => document.createElementNS('http://www.w3.org/1998/Math/MathML', tag);
            const root = made('msqrt'); root.append(made('mi')); root.firstChild.textContent = 'y';
            a.replaceWith(root); root.parentNode.parentNode.append(made('mspace'))""",
            listed=True,
        ),
    ),
)
