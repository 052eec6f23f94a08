"""Shadow trees and custom elements."""

# ruff: noqa: E501 (pages and scripts stay as they are)

from tests.fidelity.case import Case, group

BOX = "div { width: 300px; height: 120px; background: gold; font-size: 40px }"
DEFINE = """customElements.define('x-box', class extends HTMLElement {{
  constructor() {{ super(); this.attachShadow({{ mode: '{}' }}).innerHTML =
  '<style>{}</style><div>in <slot>nothing</slot></div>'; window.inside = this.shadowRoot }} }})"""

CASES = (
    *group(
        "Shadow trees",
        Case(
            "an open shadow tree",
            "<x-box>light</x-box>",
            before=DEFINE.format("open", BOX),
            act="inside.querySelector('div').append('!'); inside.querySelector('style').textContent += '*{color:red}'",
        ),
        Case(
            "a shadow tree attached later",
            "<div id=h style='font-size: 60px; line-height: 70px'>light</div>",
            act=f"""h.attachShadow({{mode: 'open'}}).innerHTML = '<style>{BOX}</style><div>shadow <slot></slot></div>';
            h.append(' more')""",
        ),
        Case(
            "a closed shadow tree",
            "<div id=h>light</div>",
            before=f"""h.attachShadow({{mode: 'closed'}}).innerHTML = '<style>{BOX}</style><div>closed</div>'""",
            listed=True,
        ),
        Case(
            "a closed shadow tree changes",
            "<div id=h>light</div>",
            before=f"""window.root = h.attachShadow({{mode: 'closed'}});
            root.innerHTML = '<style>{BOX}</style><div>closed</div>'""",
            act="root.querySelector('div').textContent = 'changed'; root.append(' and more')",
            listed=True,
        ),
        Case(
            "a closed shadow tree attached later",
            "<div id=h>light</div>",
            act=f"""h.attachShadow({{mode: 'closed'}}).innerHTML = '<style>{BOX}</style><div>closed</div>'""",
            listed=True,
        ),
        Case(
            "a closed custom element",
            "<x-box>light</x-box>",
            before=DEFINE.format("closed", BOX),
            listed=True,
        ),
        Case(
            "a closed tree in an open one",
            "<div id=h></div>",
            before="""h.attachShadow({mode: 'open'}).innerHTML = '<p>open</p><div></div>';
            h.shadowRoot.querySelector('div').attachShadow({mode: 'closed'}).innerHTML =
            '<h1 style="background: gold">closed</h1>'""",
            act="h.shadowRoot.querySelector('p').style.background = 'teal'",
            listed=True,
        ),
        Case(
            "under the mouse in a closed shadow tree",
            "<div id=h></div>",
            before="""h.attachShadow({mode: 'closed'}).innerHTML = `<style>div { height: 200px; background: gold }
            div:hover { background: teal }</style><div>x</div>`""",
            act=lambda page: page.mouse.move(100, 100),
            listed=True,
        ),
        Case(
            "a declarative shadow tree",
            f"<div id=h><template shadowrootmode=open><style>{BOX}</style><div><slot></slot></div></template>light</div>",
            act="h.append(' more'); h.shadowRoot.querySelector('div').style.background = 'teal'",
        ),
        Case(
            "a closed declarative shadow tree",
            f"<div><template shadowrootmode=closed><style>{BOX}</style><div>closed</div></template>light</div>",
            listed=True,
            why="No script can reach a closed shadow tree that the parser made.",
        ),
        Case(
            "slots change",
            "<div id=h><b slot=one id=a>A</b><i slot=two id=b>B</i> rest</div>",
            before="""h.attachShadow({mode: 'open'}).innerHTML = `<style>slot { display: block; height: 60px;
            background: gold } ::slotted(b) { color: red; font-size: 40px } slot[name=two] { background: teal }</style>
            <slot name=one></slot><slot name=two></slot><slot></slot>`""",
            act="a.slot = 'two'; b.slot = 'one'; h.shadowRoot.querySelector('slot').after('between')",
        ),
        Case(
            "slots given by hand",
            "<div id=h><b id=a>A</b><i id=b>B</i></div>",
            before="""h.attachShadow({mode: 'open', slotAssignment: 'manual'}).innerHTML = `<style>slot {
            display: block; font-size: 60px; line-height: 80px; background: gold }</style>
            <slot></slot><hr><slot></slot>`; h.shadowRoot.querySelector('slot').assign(a)""",
            act="h.shadowRoot.querySelectorAll('slot')[1].assign(b)",
        ),
        Case(
            "parts",
            """<style>div::part(label) { background: gold; font-size: 60px; line-height: 80px } div::part(new) {
            color: red }</style><div id=h></div>""",
            before="h.attachShadow({mode: 'open'}).innerHTML = '<p part=label>part</p><p>none</p>'",
            act="h.shadowRoot.lastChild.setAttribute('part', 'label new')",
        ),
        Case(
            "parts of parts, and :host",
            """<style>div::part(deep) { background: gold; font-size: 60px; line-height: 80px }
            .night { color: white }</style><div id=h></div>""",
            before="""h.attachShadow({mode: 'open'}).innerHTML = `<style>:host(.night) { background: black;
            display: block } :host-context(body) { border: 20px solid teal }</style>
            <section exportparts="inner: deep"></section>`;
            h.shadowRoot.querySelector('section').attachShadow({mode: 'open'}).innerHTML = '<p part=inner>x</p>'""",
            act="h.className = 'night'",
        ),
        Case(
            "shadow trees in shadow trees",
            "<div id=h></div>",
            before="""let at = h; for (let n = 0; n < 12; n++) {
            at.attachShadow({mode: 'open'}).innerHTML = '<div style="padding: 6px; background: ' +
            (n % 2 ? 'gold' : 'teal') + '"><section></section></div>';
            at = at.shadowRoot.querySelector('section') } at.textContent = 'deep'; window.deep = at""",
            act="deep.textContent = 'deeper'; deep.style.fontSize = '60px'",
        ),
        Case(
            "a host moves",
            "<div id=a style='background: gold'><x-box>light</x-box></div><div id=b style='background: red'></div>",
            before=DEFINE.format("open", BOX),
            act="b.append(document.querySelector('x-box')); inside.querySelector('div').append(' moved')",
        ),
    ),
    *group(
        "Custom elements",
        Case(
            "an element is defined late",
            "<style>x-late:not(:defined) { display: block; height: 200px; background: red } x-late { display: block;"
            " background: gold; height: 100px }</style><x-late>light</x-late>",
            act="""customElements.define('x-late', class extends HTMLElement { connectedCallback() {
            this.attachShadow({mode: 'open'}).innerHTML = '<h1>defined</h1><slot></slot>' } })""",
            listed=True,
        ),
        Case(
            "an element without a tree is defined late",
            "<style>x-later { display: block; height: 100px } x-later:not(:defined) { background: red }"
            " x-later:defined { background: gold }</style><x-later>light</x-later>",
            act="customElements.define('x-later', class extends HTMLElement {})",
            listed=True,
        ),
        Case(
            "elements are defined before the session",
            "<style>x-known { display: block; height: 100px } :not(:defined) { background: red }"
            " x-known:defined { background: gold }</style><x-known>light</x-known><x-not>never</x-not>",
            before="customElements.define('x-known', class extends HTMLElement {})",
        ),
        Case(
            "a state of one's own",
            """<style>x-state { display: block; height: 100px } x-state:state(on) { background: gold }</style>
            <x-state id=a>x</x-state>""",
            before="""customElements.define('x-state', class extends HTMLElement {
            internals = this.attachInternals() })""",
            act="a.internals.states.add('on')",
            listed=True,
        ),
        Case(
            "a state of one's own before the session",
            """<style>x-state { display: block; height: 100px } x-state:state(on) { background: gold }</style>
            <x-state id=a>x</x-state>""",
            before="""customElements.define('x-state', class extends HTMLElement {
            internals = this.attachInternals() }); a.internals.states.add('on')""",
            listed=True,
        ),
        Case(
            "an element of an extended kind",
            """<style>button { font-size: 60px } [is=x-button] { background: gold } :not(:defined) { color: red }</style>
            <button is=x-button>extended</button>""",
            before="customElements.define('x-button', class extends HTMLButtonElement {}, { extends: 'button' })",
        ),
        Case(
            "a field that is a custom element",
            """<style>x-field { display: block; height: 100px; background: gold } x-field:invalid {
            background: tomato }</style><form><x-field id=a tabindex=0>x</x-field></form>""",
            before="""customElements.define('x-field', class extends HTMLElement {
            static formAssociated = true; internals = this.attachInternals() })""",
            act="a.internals.setValidity({ customError: true }, 'no')",
        ),
    ),
)
