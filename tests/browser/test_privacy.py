"""Nothing hidden leaves: secrets are put wherever a page can have them, and what is sent is read.

Each probe has a secret of its own, so that a leak tells its name.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import VIEWPORT
from tests.browser.mirror import until
from tests.browser.visiting import everything_sent, files_sent, readable
from tests.stack import Origin, Stack, running_stack

ALL = ("none", "inputs", "text")
FORMS = ("inputs", "text")
TEXT = ("text",)
SETTINGS = """
mask = "{mask}"
masked_elements = [
  {{ selector = ".m" }}, {{ selector = ".wrap > .n" }}, {{ selector = "#sibling + p" }},
  {{ selector = ".state:checked + p" }}, {{ selector = ".focus:focus-within" }},
]
masked_pages = ["/branches*", "/Übersicht x*"]
mask_title = true
mask_query = true
"""


@dataclass(frozen=True)
class Probe:
    """§ in its texts stands for the secret; `at` is the element that holds it.

    html: in the page before the session. before, after: scripts, run before and in the session.
    """

    name: str
    modes: tuple[str, ...]
    html: str = ""
    before: str = ""
    after: str = ""


# Of what is shown, the proxy may be told again which files it has passed on.
SHOWN_FILES = {
    "addresses of media",
    "address in CSS",
    "addresses that a style sheet asks for",
    "addresses that are escaped",
}
INPUT = 'at.firstChild.dispatchEvent(new Event("input", { bubbles: true }))'
TYPE = f'at.firstChild.value = "§"; {INPUT}'
PROBES = [
    # What always stays.
    Probe("password", ALL, '<input type=password value="§">'),
    Probe("password typed", ALL, "<input type=password>", after=TYPE),
    Probe("password shown before the session, then typed", ALL, "<input type=password>",
          'at.firstChild.type = "text"', TYPE),
    Probe("password shown", ALL, '<input type=password value="§">',
          after=f'at.firstChild.type = "text"; {INPUT}'),
    Probe("password swapped for a text field", ALL, '<input type=password value="§">',
          after='const shown = document.createElement("input"); shown.value = "§";'
          "at.firstChild.replaceWith(shown)"),
    Probe("text field becomes a password", ALL, "<input>",
          after=f'at.firstChild.type = "password"; {TYPE}'),
    Probe("hidden field", ALL, '<input type=hidden value="§">'),
    Probe("hidden field changed", ALL, "<input type=hidden>",
          after='at.firstChild.value = "§"; at.firstChild.setAttribute("value", "§")'),
    Probe("file name", ALL, "<input type=file>",
          'const files = new DataTransfer(); files.items.add(new File([], "§"));'
          "at.firstChild.files = files.files"),
    Probe("card by autocomplete", ALL, '<input autocomplete="section-a cc-number">', after=TYPE),
    Probe("one-time code", ALL, "<input autocomplete=one-time-code>", after=TYPE),
    Probe("code in boxes", ALL, "<span>" + "<input maxlength=1>" * 6 + "</span>",
          'for (const box of at.firstChild.children) box.value = "§"'),
    Probe("card in a plain field", ALL, "<input>",
          after=f'at.firstChild.value = "note § 4111 1111 1111 1111"; {INPUT}'),
    Probe("value of a checkbox", ALL, '<input type=checkbox value="§" checked>'),
    Probe("value of a radio button, chosen", ALL, '<input type=radio value="§">',
          after="at.firstChild.click()"),
    Probe("value of an option", ALL, '<select><option value="§">one</select>'),
    Probe("comment", ALL, "<!-- § -->"),
    Probe("script", ALL, '<script type=application/json>"§"</script>',
          after="at.firstChild.firstChild.data = '\"§\" again'"),
    Probe("template", ALL, "<template><p>§</template>"),
    Probe("noscript", ALL, "<noscript>§</noscript>"),
    Probe("inline handler", ALL, "<p onclick=\"'§'\">x</p>"),
    Probe("form action", ALL, '<form action="/§?§"><button formaction="/§">x</button></form>'),
    Probe("link address", ALL, '<a href="/x?§">x</a>',
          after='at.firstChild.setAttribute("href", "/y?§")'),
    Probe("srcdoc", ALL, '<iframe srcdoc="<p class=m>§"></iframe>'),
    Probe("frame address", ALL, '<iframe src="about:blank?§"></iframe>'),
    Probe("csrf token", ALL, '<meta name=csrf-token content="§">'),
    Probe("application state", ALL, "<div data-props='{\"a\":\"§\"}' x-data=\"{a:'§'}\">x</div>",
          after='at.firstChild.setAttribute("data-props", "§")'),
    Probe("addresses of media", ALL,
          '<object data="/§"></object><embed src="/§"><video src="/§" poster="/§"></video>'
          '<audio src="/§"></audio><img src="/§" srcset="/§ 2x"><svg><image href="/§"/></svg>'
          '<picture><source srcset="/§"></picture><input type=image src="/§">'),
    Probe("address in CSS", ALL,
          '<style>.u { background: url(/§); }</style><p class=u style="background: url(/§)">x'),
    Probe("addresses that a style sheet asks for", ALL,
          '<style>[src$=".svg"], [action*=a], [data], [poster] { color: red }</style>'
          '<img src="/§.svg"><form action="/a§"></form><video poster="/§"></video>'),
    Probe("title of the page", ALL, before='document.title = "§"',
          after='document.title = "§ again"'),
    Probe("query of the address", ALL, before='history.replaceState(null, "", "?q=§")',
          after='history.pushState(null, "", "?q=§#§")'),
    # What a rule hides.
    Probe("text", ALL, '<p class=m>§ <b>§</b></p>',
          after='at.firstChild.lastChild.firstChild.data = "§ again"'),
    Probe("glance_masked class", ALL, '<p class="glance_masked">§</p>'),
    Probe("glance_masked attribute", ALL, '<p glance_masked="true">§</p>'),
    Probe("hidden attributes", ALL,
          '<a class=m title=§ aria-label=§ href="/§" data-a=§ name=§ rel=§><img alt=§></a>'),
    Probe("hidden attributes, set later", ALL, "<p class=m>x</p>",
          after='for (const name of ["title", "data-b", "aria-label", "alt", "label"])'
          'at.firstChild.setAttribute(name, "§")'),
    Probe("text in a field of a hidden element", ALL, "<p class=m><input></p>",
          after='at.firstChild.firstChild.value = "§"'),
    Probe("placeholder in a hidden element", ALL,
          '<p class=m><input placeholder="§" value="§"></p>'),
    Probe("options in a hidden element", ALL,
          '<p class=m><select><option>§<option label="§">x</select></p>',
          after='const more = document.createElement("option"); more.text = "§";'
          "at.firstChild.firstChild.append(more)"),
    Probe("button in a hidden element", ALL, '<p class=m><input type=submit value="§"></p>'),
    Probe("cleared textarea in a hidden element", ALL, "<p class=m><textarea>§</textarea></p>",
          'at.querySelector("textarea").value = ""'),
    Probe("datalist in a hidden element", ALL, "<p class=m><datalist><option>§</datalist></p>"),
    Probe("class of a hidden element", ALL, '<p class="m §">x</p>',
          after='at.firstChild.className = "m §"'),
    Probe("id of a hidden element", ALL, '<p class=m><i id="§">x</i></p>'),
    Probe("comment in a hidden element", ALL, "<p class=m><!-- § --></p>"),
    Probe("file of a rule about what is hidden", ALL,
          '<style>.lq { background: url("/files/logo.svg?§") }</style><p class="m lq">x</p>'),
    Probe("file of a rule that is soon about what is hidden", ALL,
          '<style>.lr { background: url("/files/logo.svg?§") }</style><p class=m>x</p>',
          after='at.querySelector("p").classList.add("lr")'),
    Probe("file of a hidden button, poster and table", ALL,
          '<div class=m><input type=image src="/files/logo.svg?§">'
          '<table background="/files/logo.svg?§"></table><video poster="/files/logo.svg?§"></video>'
          '<svg><image href="/files/logo.svg?§"/><use href="/files/logo.svg?§#x"/></svg></div>'),
    Probe("animation of what is hidden", ALL, "<p class=m>x</p>",
          after='at.firstChild.animate([{ color: "red", "--w": "§", content: "\'§\'" }], 1e6)'),
    Probe("words in an animation", ALL, "<p>x</p>",
          after='at.firstChild.animate([{ "--w": "§", content: "\'§\'" }], 1e6)'),
    Probe("name of a highlight", ALL, "<p>x</p>",
          after='const range = new Range(); range.selectNodeContents(at); CSS.highlights.set("§ §",'
          'new Highlight(range))'),
    Probe("picture in a hidden element", ALL, '<p class=m><img src="/files/logo.svg?§"></p>'),
    Probe("SVG in a hidden element", ALL,
          "<p class=m><svg aria-label=§><title>§</title><text>§</text></svg></p>",
          after='at.querySelector("text").firstChild.data = "§ again"'),
    Probe("class added later, then text", ALL, "<p>x</p>",
          after='at.firstChild.className = "m"; at.firstChild.firstChild.data = "§"'),
    Probe("class added later, then nodes", ALL, "<p>x</p>",
          after='at.firstChild.className = "m";'
          'setTimeout(() => { at.firstChild.innerHTML = "<b>§</b>"; })'),
    Probe("class added around, then text", ALL, "<p><i><b>x</b></i></p>",
          after='at.firstChild.className = "m"; at.querySelector("b").firstChild.data = "§"'),
    Probe("text written before its class, in one task", ALL, "<p>x</p>",
          after='at.firstChild.firstChild.data = "§"; at.firstChild.className = "m"'),
    Probe("selector with a parent", ALL, '<div class=wrap><p class=n>§</p></div>'),
    Probe("selector with a parent that comes later", ALL, '<div><p class=n>x</p></div>',
          after='at.firstChild.className = "wrap"; at.querySelector("p").firstChild.data = "§"'),
    Probe("selector with a sibling that comes later", ALL, "<div><p>x</p></div>",
          after='const one = document.createElement("i"); one.id = "sibling";'
          'at.firstChild.prepend(one); at.querySelector("p").firstChild.data = "§"'),
    Probe("moved into a hidden element", ALL, "<p class=m></p><b>x</b>",
          after='at.firstChild.append(at.lastChild); at.querySelector("b").firstChild.data = "§"'),
    Probe("nodes added in a hidden element", ALL, "<p class=m></p>",
          after='at.firstChild.innerHTML = "<ul><li>§</li></ul>"'),
    Probe("shadow tree of a hidden host", ALL, "<p class=m></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<b>§</b>"'),
    Probe("shadow tree of a hidden host, changed", ALL, "<p class=m></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<b>x</b>"',
          'at.firstChild.shadowRoot.firstChild.firstChild.data = "§";'
          'at.firstChild.shadowRoot.append("§")'),
    Probe("closed shadow tree of a hidden host", ALL, "<p class=m></p>",
          'at.root = at.firstChild.attachShadow({ mode: "closed" });'
          'at.root.innerHTML = "<b>§</b>"',
          'at.root.firstChild.firstChild.data = "§"'),
    Probe("shadow tree attached later", ALL, "<p class=m></p>",
          after='at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<b>§</b>"'),
    Probe("field in a hidden shadow tree", ALL, "<p class=m></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<input>"',
          'at.firstChild.shadowRoot.firstChild.value = "§"'),
    Probe("slotted into a hidden host", ALL, "<p class=m><b>§</b></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<slot></slot>"'),
    Probe("hidden in a shadow tree", ALL, "<p></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<b class=m>§</b>"',
          'at.firstChild.shadowRoot.firstChild.firstChild.data = "§"'),
    Probe("frame in a hidden element", ALL, "<p class=m><iframe></iframe></p>",
          'at.querySelector("iframe").contentDocument.body.innerHTML = "<b>§</b>"',
          'at.querySelector("iframe").contentDocument.querySelector("b").firstChild.data = "§"'),
    Probe("hidden in a frame", ALL, "<iframe></iframe>",
          'at.firstChild.contentDocument.body.innerHTML = "<b class=m>§</b>"',
          'at.firstChild.contentDocument.querySelector("b").firstChild.data = "§"'),
    Probe("frame that comes later", ALL, "<p></p>",
          after='at.firstChild.innerHTML = "<iframe srcdoc=\'<b class=m>§</b>\'></iframe>"'),
    Probe("content in a rule", ALL, '<style>.c::before { content: "§"; }</style><p class="m c">x'),
    Probe("content in an inserted rule", ALL, "<style>.x { color: red }</style>",
          after="at.firstChild.sheet.insertRule('.m::after { content: \"§\"; }')"),
    Probe("content in an adopted sheet", ALL, before="""
          const sheet = new CSSStyleSheet(); sheet.replaceSync('.m::after { content: "§"; }');
          document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];"""),
    Probe("custom property in a rule", ALL, '<style>.d { --d: "§"; }</style><p class="m d">x</p>'),
    Probe("custom property for what is not there yet", ALL, '<style>.e { --e: "§"; }</style>'),
    Probe("comment in a style", ALL, "<style>/* § */ .f { color: var(--f); }</style>"),
    Probe("style in a hidden element", ALL,
          '<p class=m><style>.g::after { content: "§"; --g: "§"; }</style></p>'),
    Probe("inline style", ALL,
          '<p class=m style="--h: §; --i: \'§\'; background: url(/§); color: red">x</p>',
          after="at.firstChild.style.setProperty('--j', '§')"),
    Probe("content by attr()", ALL, '<style>.k::before { content: attr(data-k); }</style>'
          '<p class="m k" data-k="§">x</p>'),
    # What an attacker found.
    Probe("style and script in SVG", ALL,
          '<svg><style>/* § */ .m::after { content: "§" } .q { --x: "§" }</style>'
          '<script type="application/json">"§"</script></svg>'),
    Probe("selector with a parent, in a shadow tree", ALL, "<p></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<div><u class=n>x</u></div>"',
          "const inner = at.firstChild.shadowRoot.firstChild; inner.className = 'wrap';"
          'inner.firstChild.firstChild.data = "§"'),
    Probe("selector with a parent, in a frame", ALL, "<iframe></iframe>",
          "at.firstChild.contentDocument.body.innerHTML = '<div><u class=n>x</u></div>'",
          "const inner = at.firstChild.contentDocument.body.firstChild; inner.className = 'wrap';"
          'inner.firstChild.firstChild.data = "§"'),
    Probe("selector with a state", ALL, '<input type=checkbox class=state><p>x</p>',
          after='at.firstChild.checked = true; at.lastChild.firstChild.data = "§"'),
    Probe("foreign attributes", ALL,
          '<p class=m><math alttext="§"><mi>x</mi></math><svg value="§" name="§" v-text="§">'
          '<set attributeName=x to="§"/><a href="#§"><use xlink:href="#§"/></a></svg></p>'),
    Probe("inline styles that are hard to read", ALL,
          '<p class=m style="/* § */ color: red">x<p class=m style="color:red; /**/ --x: §">x'
          '<p class=m style="--x: {a: 1; b: §}">x'
          '<p class=m style="grid-area: §; font-family: §">x'),
    Probe("other words in rules", ALL,
          '<style>.lw { list-style-type: "§ words"; quotes: "§ open" "b" }'
          '@counter-style cw { system: cyclic; symbols: "§ sym"; suffix: "§" }</style>'
          '<p class="m lw">x</p>'),
    Probe("custom properties without quotes", ALL,
          '<style>.uq { --x: §; color: var(--x) }</style><p class="m uq">x</p>'),
    Probe("custom property of a hidden host", ALL, "<p class=m></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML ='
          "'<style>:host, b { --x: \"§\" } * { --y: \"§\" }</style><b>x</b>'"),
    Probe("custom property in a nested rule", ALL,
          '<style>.nr { color: red; & { --x: "§ words" } }</style><p class="m nr">x</p>'),
    Probe("title of a hidden field", ALL, '<input type=hidden title="§" placeholder="§">'
          '<input type=file title="§" aria-label="§">'),
    Probe("card in a select", ALL,
          '<select autocomplete="cc-exp-month"><option>a<option selected>§</select>'),
    Probe("an error of ours", ALL, "<p>x</p>",
          after='const image = document.createElement("img"); image.name = "querySelectorAll";'
          'document.body.append(image); at.firstChild.className = "m";'
          'setTimeout(() => { at.firstChild.firstChild.data = "§"; }, 0);'
          "setTimeout(() => image.remove(), 20)"),
    Probe("slot of a hidden element", ALL, "<p><b class=m slot=§>x</b></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML ='
          "'<i class=m><slot name=§></slot></i>'"),
    Probe("picture as data in a rule", ALL, '<p class="m dr">x</p><style>.dr, .dr::before {'
          'background: url("data:image/svg+xml,<svg><path d=§ /></svg>") }'
          '.nothing-yet { background: url("data:image/svg+xml,<svg><text>§</text></svg>") }'
          '@keyframes kf { to { background: url("data:image/svg+xml,<svg><text>§</text></svg>") } }'
          '</style>'),
    Probe("addresses that are escaped", ALL,
          r'<p style="background: u\72l(/§)">x<p style="--x: \75 RL( /§ ); color: red">x'
          r"<p style=\"/* ' */ --y: u\72l(/§) /* ' */\">x"
          r'<style>/* " */ .es { --x: \75\52\6c(/§); color: var(--x) } /* " */</style>'
          '<p style="background: image-set(url(/a) 1x, url(/§) 2x)">x'),
    Probe("words around an address", ALL,
          '<style>.wa::before { content: "§ url(x) § words" url(/§) "§ words" }</style>'
          '<p class="m wa">x</p>'),
    Probe("class added around a field, in one task", ALL, "<div><input></div>",
          after='at.firstChild.className = "m"; const field = at.querySelector("input");'
          'field.value = "§"; field.dispatchEvent(new Event("input", { bubbles: true }))'),
    Probe("typed where the focus hides", ALL, "<div class=focus><input></div>",
          after='const field = at.querySelector("input"); field.focus();'
          'field.value = "§"; field.dispatchEvent(new Event("input", { bubbles: true }))'),
    Probe("a hidden page in a frame", ALL, '<iframe src="/branches#§"></iframe>'),
    Probe("custom property of what is around", ALL,
          "<style>.anc { --u: '§' } :root { --v: '§' } .m::before { content: var(--u) var(--v) }"
          "</style><div class=anc style=\"--w: '§'\"><p class=m>x</p></div>"),
    Probe("custom property of a part", ALL, "<p></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML ='
          "'<b part=p class=m>x</b><slot></slot><style>::slotted(.m) { --x: § }</style>';"
          'document.head.insertAdjacentHTML("beforeend", "<style>p::part(p) { --x: § }</style>")'),
    Probe("custom properties in odd places", ALL,
          "<style>.m { --größe: §; --x: {a: 1; b: §}; --y: f(a; (b) §); --z: --§; & b { top: 0 }"
          "--zz: § } @keyframes k { from { --x: § } }"
          '@property --pr { syntax: "*"; inherits: false; initial-value: § }'
          '@container style(--x: "§") { b { top: 0 } } @supports (content: "§") { b { top: 0 } }'
          "</style>"),
    Probe("custom idents of a hidden element", ALL,
          '<p class=m style="position: absolute; top: anchor(--§ bottom)">x</p>'),
    Probe("custom elements that are fields", FORMS, '<sl-input value="§"></sl-input>'),
    Probe("custom elements that are passwords", ALL,
          '<sl-input type=password value="§" placeholder="§"></sl-input>'),
    Probe("fields by their role", FORMS, "<div role=textbox aria-valuetext=§>§</div>"),
    Probe("fields that show dots", ALL, "<input style='-webkit-text-security: disc'>", after=TYPE),
    Probe("secrets by other names", ALL,
          "<i><input name=verificationCode><input name=tan><input name=ccnumber>"
          "<input id=cardcsc></i>",
          after='for (const field of at.querySelectorAll("input")) {'
          'field.value = "§"; field.dispatchEvent(new Event("input", { bubbles: true })) }'),
    Probe("code in boxes that are wrapped", ALL,
          "<div>" + "<p><b><input maxlength=1></b></p>" * 6 + "</div>",
          'for (const box of at.querySelectorAll("input")) box.value = "§"'),
    Probe("code in boxes of shadow trees", ALL, "<div>" + "<p></p>" * 6 + "</div>",
          'for (const host of at.querySelectorAll("p")) {'
          'host.attachShadow({ mode: "open" }).innerHTML = "<input maxlength=1>";'
          'host.shadowRoot.firstChild.value = "§" }'),
    Probe("clobbered nodeType", ALL, "<form class=glance_masked><input name=nodeType></form>",
          after='at.firstChild.append("§")'),
    Probe("the document that a hidden frame showed before", ALL, "<p class=m><iframe></iframe>",
          'at.querySelector("iframe").contentDocument.body.innerHTML = "<b>§</b>"',
          'const old = at.querySelector("iframe").contentDocument;'
          'const image = old.createElement("img"); image.name = "defaultView";'
          'old.body.append(image); old.documentElement.className = "z"'),
    Probe("addresses that a rule about links asks for", ALL,
          '<style>a:not([href]) { top: 0 } [href] { top: 0 }</style>'
          '<link rel=canonical href="/x?§"><x-a href="/x?§"></x-a>'
          '<svg><image><set attributeName=href to="/x?§"/></image></svg>'
          '<math definitionURL="/§"><mi>x</mi></math>'),
    Probe("state on drawings", ALL, "<svg x-data=\"{a:'§'}\" v-text=§ @click=§></svg>"),
    Probe("slotted into a hidden element", ALL, "<p></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML ='
          "'<div class=m><slot></slot></div>'; at.firstChild.innerHTML = '<b>§</b>§'",
          'at.firstChild.append("§ again"); at.querySelector("b").firstChild.data = "§ again"'),
    Probe("slotted into what becomes hidden", ALL, "<p><b>x</b></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<div><slot></slot></div>"',
          'at.firstChild.shadowRoot.firstChild.className = "m";'
          'at.querySelector("b").firstChild.data = "§"'),
    Probe("name of an attribute that goes", ALL, "<p class=m data-§=x>x</p>",
          after='at.firstChild.removeAttribute("data-§")'),
    Probe("a component that renders again, with its slot in a hidden part", ALL, "<p><b>x</b></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<slot></slot>"',
          "at.firstChild.shadowRoot.innerHTML = '<i class=m><slot></slot></i>';"
          'at.querySelector("b").firstChild.data = "§";'
          'setTimeout(() => { at.querySelector("b").firstChild.data = "§ again" }, 200)'),
    Probe("a hidden part put around a slot", ALL, "<p><b>x</b></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<i><slot></slot></i>"',
          "const { shadowRoot } = at.firstChild; const part = document.createElement('div');"
          "part.className = 'm'; part.append(shadowRoot.firstChild); shadowRoot.append(part);"
          'at.querySelector("b").firstChild.data = "§"'),
    Probe("slots of other names", ALL, "<p><b slot=a>x</b></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML ='
          "'<i class=m><slot name=z></slot></i><slot name=a></slot>'",
          "const [z, a] = at.firstChild.shadowRoot.querySelectorAll('slot');"
          "a.name = 'c'; z.name = 'a'; at.querySelector('b').firstChild.data = '§'"),
    Probe("a slot that is passed on into a hidden part", ALL, "<p><b>x</b></p>",
          'const outer = at.firstChild.attachShadow({ mode: "open" });'
          'outer.innerHTML = "<section><slot></slot></section>";'
          'outer.firstChild.attachShadow({ mode: "open" }).innerHTML = "<i><slot></slot></i>"',
          "at.firstChild.shadowRoot.firstChild.shadowRoot.firstChild.className = 'm';"
          'at.querySelector("b").firstChild.data = "§"'),
    Probe("password shown by a copy, the field emptied", ALL,
          '<input type=password value="§"><input>',
          after="const [a, b] = at.children; b.value = `${a.value}!`; a.value = '';"
          "b.dispatchEvent(new Event('input', { bubbles: true }))"),
    Probe("password mirrored on another element", ALL,
          "<style>[data-mirror]::after { content: attr(data-mirror) }</style>"
          '<label data-mirror="§"><input type=password value="§"></label>'),
    # What the mode hides.
    Probe("field", FORMS, '<input value="§">'),
    Probe("field typed", FORMS, "<input>", after=TYPE),
    Probe("field set without an event", FORMS, "<input>", after='at.firstChild.value = "§"'),
    Probe("field's default changed", FORMS, "<input>",
          after='at.firstChild.setAttribute("value", "§"); at.firstChild.defaultValue = "§"'),
    Probe("number, turned to text", FORMS, "<input type=number>",
          after=f'at.firstChild.type = "text"; {TYPE}'),
    Probe("textarea", FORMS, "<textarea>§</textarea>", after='at.firstChild.value = "§"'),
    Probe("textarea, default changed", FORMS, "<textarea></textarea>",
          after='at.firstChild.textContent = "§"'),
    Probe("cleared textarea", FORMS, "<textarea>§</textarea>", 'at.firstChild.value = ""'),
    Probe("select", FORMS, '<select><option>x<option selected>§<optgroup label="§"></select>'),
    Probe("option's label", FORMS, '<select><option label="§">x</select>'),
    Probe("option chosen", FORMS, '<select><option>x<option>§</select>',
          after="at.firstChild.selectedIndex = 1"),
    Probe("datalist", FORMS, '<datalist><option>§<option value="§" label="§"></datalist>'),
    Probe("placeholder", FORMS, '<input placeholder="§">'),
    Probe("title and label of a field", FORMS, '<input title="§" aria-label="§" data-v="§">'),
    Probe("button's value", FORMS, '<input type=submit value="§"><input type=button value="§">'),
    Probe("output", FORMS, "<output>§</output>", after='at.firstChild.value = "§"'),
    Probe("progress", FORMS, '<progress title="§">§</progress><meter title="§">§</meter>'),
    Probe("editable text", FORMS, "<p contenteditable>§</p>",
          after='at.firstChild.firstChild.data = "§"'),
    Probe("editable text, new lines", FORMS, "<p contenteditable></p>",
          after='at.firstChild.innerHTML = "<div>§</div>"'),
    Probe("becomes editable", FORMS, "<p>x</p>",
          after='at.firstChild.contentEditable = "true"; at.firstChild.append("§")'),
    Probe("option outside a select", FORMS, '<option label="§">§</option><optgroup label="§">'),
    Probe("user-modify", FORMS, '<p style="-webkit-user-modify: read-write">§</p>'),
    Probe("user-modify by a rule, typed", FORMS,
          "<style>.um { -webkit-user-modify: read-write }</style><p class=um>x</p>",
          after='getSelection().collapse(at.querySelector("p"), 0);'
          'document.execCommand("insertText", false, "§")'),
    Probe("frame in design mode", FORMS, "<iframe></iframe>",
          'const inner = at.firstChild.contentDocument; inner.designMode = "on";'
          'inner.body.innerHTML = "<p>§</p>"',
          'at.firstChild.contentDocument.querySelector("p").firstChild.data = "§ again"'),
    Probe("frame that goes into design mode", FORMS, "<iframe></iframe>",
          after='const inner = at.firstChild.contentDocument; inner.designMode = "on";'
          'inner.body.innerHTML = "<p>x</p>";'
          'setTimeout(() => { inner.body.firstChild.firstChild.data = "§"; }, 300)'),
    Probe("any text", TEXT, "<p>§ <b>§</b></p>", after='at.firstChild.append("§")'),
    Probe("any button", TEXT, "<button title=§>§</button>"),
    Probe("any picture's text", TEXT, '<img alt="§" title="§">'),
    Probe("any text in a shadow tree", TEXT, "<p></p>",
          'at.firstChild.attachShadow({ mode: "open" }).innerHTML = "<b title=§>§</b>"'),
    Probe("any text in a frame", TEXT, "<iframe></iframe>",
          'at.firstChild.contentDocument.body.innerHTML = "<b>§</b>"'),
    Probe("any summary", TEXT, "<details><summary>§</summary>§</details>"),
    Probe("any label", TEXT, '<label aria-label="§">§</label>'),
    Probe("any content in a rule", TEXT, '<style>.z::before { content: "§"; --z: "§" }</style>'),
]  # fmt: skip


def secret_of(probe: Probe) -> str:
    return f"qX{PROBES.index(probe):03}Zq"


def marked(probe: Probe, text: str) -> str:
    return text.replace("§", secret_of(probe))


@pytest.fixture(scope="module", params=ALL)
def masking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, origin: Origin
) -> Iterator[tuple[str, Stack]]:
    """The stack with each setting of mask."""
    folder = tmp_path_factory.mktemp("masking")
    settings = SETTINGS.format(mask=request.param)
    with running_stack(folder, origin.url, settings=settings) as stack:
        yield request.param, stack


def run(page: Page, probes: list[Probe], what: str) -> None:
    """Run one of the probes' scripts for all of them."""
    for number, probe in enumerate(probes):
        text = marked(probe, getattr(probe, what))
        at = f"const at = document.querySelector('[probe=\"{number}\"]');"
        page.evaluate(f"() => {{ {at} {text} }}")


def swept(page: Page, sent: list[str | bytes], word: str) -> None:
    """Wait until the recorder has looked for what no event tells of: this rule is such a thing."""
    page.evaluate(f"document.querySelector('style').sheet.insertRule('.{word} {{}}')")
    deadline = time.monotonic() + 10.0
    while word not in readable(sent):
        assert time.monotonic() < deadline, f"{word} never came"
        page.wait_for_timeout(20)


def leaked(probes: list[Probe], text: str) -> list[str]:
    return [probe.name for probe in probes if secret_of(probe) in text]


def test_no_secret_leaves_on_any_path(masking: tuple[str, Stack], browser: Browser) -> None:
    mask, stack = masking
    probes = [probe for probe in PROBES if mask in probe.modes]
    context = browser.new_context(viewport=VIEWPORT)
    visitor, agent = context.new_page(), browser.new_page()
    sent, files = everything_sent(visitor), files_sent(visitor)
    html = "".join(
        f'<div probe="{n}">{marked(probe, probe.html)}</div>' for n, probe in enumerate(probes)
    )

    def furnish() -> None:
        """As a site would make such a page each time it is loaded."""
        visitor.evaluate(
            "(html) => document.body.insertAdjacentHTML('beforeend', html)",
            f"<style>i {{ color: blue }}</style>{html}",
        )
        run(visitor, probes, "before")

    visitor.goto(stack.visitor_url + "/")
    furnish()
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession()")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    key = visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")
    agent.goto(stack.agent_view(key))
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    run(visitor, probes, "after")
    swept(visitor, sent, "first-sweep")
    assert leaked(probes, readable(sent)) == []

    # A late keyframe of the page as it is now, and the whole again on the next page.
    visitor.evaluate("GLANCE.Cobrowse._internal.capture.keyframe()")
    swept(visitor, sent, "second-sweep")
    visitor.goto(stack.visitor_url + "/")
    furnish()
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    run(visitor, probes, "after")
    visitor.evaluate("document.body.append('the-end')")
    swept(visitor, sent, "third-sweep")
    text = readable(sent)
    assert leaked(probes, text) == []
    assert "4111" not in text
    hidden = [probe for probe in probes if mask == "text" or probe.name not in SHOWN_FILES]
    assert leaked(hidden, "".join(files)) == []
    assert ("the-end" in text) is (mask != "text")
    context.close()
    agent.close()


def test_pictures_in_style_sheets_arrive_where_nothing_is_hidden(
    stack: Stack, visitor: Page
) -> None:
    """Icons are data in style sheets: to hide words is no reason to lose them."""
    sent = everything_sent(visitor)
    visitor.goto(stack.visitor_url + "/")
    visitor.evaluate(
        """document.head.insertAdjacentHTML("beforeend", `<style>
          h1 { background: url("data:image/svg+xml,<svg><path id=qXshownZq /></svg>"); }
          .later { background: url("data:image/svg+xml,<svg><path id=qXlaterZq /></svg>"); }
        </style><p class=glance_masked>x</p>`)"""
    )
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    swept(visitor, sent, "begun")
    text = readable(sent)
    assert "qXshownZq" in text and "qXlaterZq" in text


KEPT = """
  <style>
    @font-face { font-family: "Icons"; src: url(data:font/woff2;base64,AAAA); }
    @property --tw-border-style { syntax: "*"; inherits: false; initial-value: solid; }
    :root, :host { --icon-font: normal 900 1em/1 "Icons"; --body: "Inter", sans-serif; }
    .not-yet { --dir: column; --icon: "\\f015"; }
  </style><p class=glance_masked>x</p>
"""


def test_what_says_nothing_stays_in_style_sheets(stack: Stack, visitor: Page) -> None:
    """Custom properties that frameworks and icon fonts live by."""
    sent = everything_sent(visitor)
    visitor.goto(stack.visitor_url + "/")
    visitor.evaluate(
        """(html) => {
          document.head.insertAdjacentHTML("beforeend", html);
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(":root { --display: flex; --word: qXkeptZq }");
          document.adoptedStyleSheets = [sheet];
        }""",
        KEPT,
    )
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    swept(visitor, sent, "begun")
    text = readable(sent)
    for kept in (
        "initial-value: solid",
        '--icon-font: normal 900 1em/1 \\"Icons\\"',
        '--body: \\"Inter\\", sans-serif',
        "--dir: column",
        r"--icon: \"\\f015\"",
        "--display: flex",
        "--word: qXkeptZq",
    ):
        assert kept in text, kept
    # A page may dispatch events of its own: what they are about is no field for that.
    visitor.evaluate(
        """() => {
          document.body.dispatchEvent(new Event("input", { bubbles: true }));
          document.dispatchEvent(new Event("input"));
          document.body.append("qXstillZq");
        }"""
    )
    swept(visitor, sent, "done")
    assert "qXstillZq" in readable(sent)


def test_a_hidden_page_sends_nothing_of_itself(
    masking: tuple[str, Stack], visitor: Page, agent: Page
) -> None:
    _, stack = masking
    sent = everything_sent(visitor)
    visitor.goto(stack.visitor_url + "/")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    agent.goto(stack.agent_view(visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")))
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    sent.clear()
    visitor.goto(stack.visitor_url + "/branches")
    expect(agent.locator("#notice")).to_contain_text("This page is hidden from agents")
    visitor.evaluate("document.body.append('more of it')")
    expect(agent.locator("#url")).to_have_text(stack.visitor_url + "/")
    text = readable(sent)
    assert "branches" not in text.lower() and "more of it" not in text
    assert "<" not in text.replace("<!DOCTYPE", "")
    visitor.evaluate(
        "history.pushState(null, '', '/Übersicht x/1'); document.body.append('qXumlZq')"
    )
    # By a change of address alone, a page can become a hidden one, and back.
    visitor.goto(stack.visitor_url + "/")
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    visitor.evaluate("history.pushState(null, '', '/branches/7'); document.body.append('qXnowZq')")
    expect(agent.locator("#notice")).to_contain_text("This page is hidden from agents")
    assert "qXnowZq" not in readable(sent)
    visitor.evaluate("document.body.lastChild.remove(); history.back()")
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")


LAYOUT = """
<style>
  .at { color: black; }  /* classes of hidden elements leave if a rule speaks of them */
  .flow { font: 17px/1.4 serif; width: 400px; }
  .flex { display: flex; gap: 7px; font: 13px monospace; }
  pre { font: 12px monospace; }
</style>
<p class="flow m at">A hidden paragraph of several lines, with <b>bold words</b> and a
  <a href=#>link that goes on and on</a>, so that it must be broken more than once.</p>
<p class="flow at">Shown text with <span class="m at">some hidden words</span> and more of it.</p>
<div class="flex at"><span class="m at">one</span><span class=at>two</span>
  <i class="m at">three</i></div>
<pre class="m at">first line
  second line, longer</pre>
<table class=at><tr><td class="m at">cell<td class=at>other</table>
<p class=at><select class="m at"><option>a very long option text</select>
  <input type=submit class="m at" value="A long button"><input class="m at" value=x></p>
<div class="m at" style="width: min-content"><ul><li>item<li>another item</ul></div>
<details class="m at"><summary>Summary</summary>Only seen when it is open</details>
<p class="at">The end.</p>
"""
RECTS = """
(page) => [...page.querySelectorAll(".at")].map((element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [element.localName, ...[left, top, width, height].map(Math.round)];
})
"""


def test_hidden_text_keeps_the_layout(
    masking: tuple[str, Stack], visitor: Page, agent: Page
) -> None:
    _, stack = masking
    visitor.goto(stack.visitor_url + "/")
    visitor.evaluate("(html) => { document.body.innerHTML = html; }", LAYOUT)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    agent.goto(stack.agent_view(visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")))
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")

    def compare() -> None:
        wanted = visitor.evaluate(f"({RECTS})(document)")
        deadline = time.monotonic() + 10.0
        while True:
            copy = 'document.querySelector("#screen iframe").contentDocument'
            found = agent.evaluate(f"({RECTS})({copy})")
            near = len(found) == len(wanted) and all(
                a[0] == b[0] and all(abs(x - y) <= 1 for x, y in zip(a[1:], b[1:], strict=True))
                for a, b in zip(wanted, found, strict=True)
            )
            if near:
                return
            assert time.monotonic() < deadline, list(zip(wanted, found, strict=False))
            agent.wait_for_timeout(50)

    compare()
    visitor.evaluate("document.querySelector('details').open = true")
    visitor.evaluate("document.querySelector('select').style.color = 'red'")
    compare()
    visitor.set_viewport_size({"width": 330, "height": 700})
    compare()


CARDS = [
    "4111    1111    1111    1111", "4111, 1111, 1111, 1111", "4111*1111*1111*1111",
    "1 4111 1111 1111", "1 " * 220 + "4111 1111 1111 1111",
    "2223 0031 2200 3222", "2223003122003", "Card 4111 1111 1111 1111", "4111 1111 1111 1111 12/27",
    "4111\u20131111\u20131111\u20131111", "nr 4111 - 1111 - 1111 - 1111",
    "4111\u200b1111\u200b1111\u200b1111", "\uff14\uff11\uff11\uff11" * 4,
    "\u0664\u0661\u0661\u0661" * 4, "411111111111111a",
]  # fmt: skip


@pytest.mark.parametrize("number", CARDS)
def test_card_numbers_are_known_in_any_writing(stack: Stack, visitor: Page, number: str) -> None:
    sent = everything_sent(visitor)
    visitor.goto(stack.visitor_url + "/")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    visitor.evaluate(
        """(number) => {
          document.body.insertAdjacentHTML("beforeend",
            "<style>i { top: 0 }</style><input id=c><p contenteditable><b></b> <i></i></p>");
          const field = document.getElementById("c");
          field.value = number + " qXmineZq";
          field.dispatchEvent(new Event("input", { bubbles: true }));
          const half = number.length / 2;
          document.querySelector("b").textContent = number.slice(0, half);
          document.querySelector("i").textContent = number.slice(half) + " qXmineZq";
        }""",
        number,
    )
    swept(visitor, sent, "begun")
    assert "qXmineZq" not in readable(sent)


@pytest.mark.parametrize("rule", [".x:is(.y", ".x /* note", "[data-a=b", "..", ".x { a", "a:b("])
def test_a_rule_that_is_no_selector_hides_everything(
    tmp_path: Path, origin: Origin, visitor: Page, rule: str
) -> None:
    rows = f'mask = "none"\nmasked_elements = [{{ selector = "{rule}" }}, {{ selector = ".m" }}]'
    with running_stack(tmp_path, origin.url, settings=rows) as stack:
        sent = everything_sent(visitor)
        visitor.goto(stack.visitor_url + "/")
        visitor.evaluate(
            "document.body.innerHTML ="
            " '<style>i { top: 0 }</style><p class=m>qXoneZq</p><input value=qXtwoZq>qXthreeZq'"
        )
        visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
        until(visitor, "!!GLANCE.Cobrowse._internal.capture")
        swept(visitor, sent, "begun")
        assert not re.search("qX[a-z]+Zq", readable(sent))


@pytest.mark.parametrize("late", [False, True])
def test_without_any_rule_a_marked_element_still_hides_its_words(
    stack: Stack, visitor: Page, late: bool
) -> None:
    """What style sheets put into the page, too, as soon as something is marked."""
    sent = everything_sent(visitor)
    visitor.goto(stack.visitor_url + "/")
    mark = "document.body.insertAdjacentHTML('beforeend', '<p class=\"glance_masked c\">x')"
    if not late:
        visitor.evaluate(mark)
    visitor.evaluate("document.body.insertAdjacentHTML('beforeend', '<style>i { top: 0 }</style>')")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    swept(visitor, sent, "begun")
    if late:
        visitor.evaluate(mark)
        swept(visitor, sent, "marked")
    rule = "'.c::before { content: \"qXwordZq\" }'"
    visitor.evaluate(f"document.querySelector('style').sheet.insertRule({rule})")
    visitor.evaluate(
        """() => {
          const heading = document.querySelector("h1");
          heading.className = "glance_masked";
          heading.firstChild.data = "qXlaterZq";
        }"""
    )
    swept(visitor, sent, "done")
    assert "qXwordZq" not in readable(sent)
    assert "qXlaterZq" not in readable(sent)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
