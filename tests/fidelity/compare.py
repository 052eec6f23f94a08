"""What must be the same of the visitor's page and the agent's copy: each node, and the pixels."""

import io
import json
from typing import Any, Final

from PIL import Image, ImageChops
from playwright.sync_api import FloatRect, Page

STYLES: Final = """
  display visibility color backgroundColor backgroundImage backgroundSize fontFamily fontSize
  fontWeight fontStyle lineHeight textAlign textDecorationLine textTransform letterSpacing
  direction writingMode opacity transform position zIndex cssFloat overflowX overflowY
  borderTopWidth borderRightWidth borderBottomWidth borderLeftWidth borderTopStyle
  borderTopColor borderLeftColor borderTopLeftRadius paddingTop paddingRight paddingBottom
  paddingLeft marginTop marginRight marginBottom marginLeft listStyleType whiteSpace boxShadow
  outlineWidth outlineStyle outlineColor cursor filter clipPath mixBlendMode objectFit
  accentColor fill stroke zoom
""".split()
LOOK_OF_BOXES: Final = "content color backgroundColor display fontSize".split()

# A document as nested lists [tag, names, box, look, state, text, shadow, frame, children]. Left
# out: what the copy carries in another form, and our own elements on either side. Of a large
# document each step-th element's box and look.
SNAPSHOT: Final = """
([page, step, STYLES, LOOK]) => {
  const SKIP = new Set(
    ["head", "script", "noscript", "style", "link", "meta", "base", "title", "template"]);
  const INSIDE = new Set(["canvas", "video", "audio", "object", "embed", "textarea"]);
  let count = 0;
  const plain = (value) => value.replace(/url\\((?:"[^"]*"|[^)]*)\\)/g, "url()")
    .replace(/image-set\\((?:[^()]|\\(\\))*\\)/g, "url()");
  const number = (value) => Math.round(value * 10) / 10;
  const look = (view, element) => {
    const style = view.getComputedStyle(element);
    const found = STYLES.map((name) => plain(style[name] ?? ""));
    if (style.display === "none") return ["none"];
    for (const box of ["::before", "::after", "::marker"]) {
      if (box === "::marker" && style.display !== "list-item") continue;
      const pseudo = view.getComputedStyle(element, box);
      if (box !== "::marker" && /^(?:none|normal)$/.test(pseudo.content)) continue;
      for (const name of LOOK) found.push(`${box} ${name}: ${plain(pseudo[name])}`);
    }
    return found;
  };
  const state = (element, tag) => {
    const found = {};
    if (tag === "input") {
      if (!/^(?:checkbox|radio|hidden|file|image|password)$/.test(element.type))
        found.value = element.value;
      found.checked = element.checked;
      found.indeterminate = element.indeterminate;
    } else if (tag === "textarea") found.value = element.value;
    else if (tag === "select")
      found.selected = [...element.options].map((option) => +option.selected).join("");
    else if (tag === "progress" || tag === "meter") found.value = element.value;
    if ("open" in element && typeof element.open === "boolean") found.open = element.open;
    if (element.matches(":disabled")) found.disabled = true;
    found.scroll = [Math.round(element.scrollLeft), Math.round(element.scrollTop)];
    return found;
  };
  const inside = (parent) => {
    const children = [];
    let text = [""];
    for (const node of parent.childNodes) {
      if (node.nodeType === 3 || node.nodeType === 4) text[text.length - 1] += node.data;
      else if (node.nodeType === 1) {
        if (SKIP.has(node.localName) || node.localName.startsWith("cobrowse-")) continue;
        children.push(walk(node));
        text.push("");
      }
    }
    return [text, children];
  };
  const walk = (element) => {
    const view = element.ownerDocument.defaultView;
    const tag = element.localName;
    const looked = count++ % step === 0;
    const box = looked ? element.getBoundingClientRect() : {};
    // What is in a field may be in its names.
    const id = tag === "input" ? "" : element.id;
    const names = [id, element.title ?? "", element.dir ?? "", element.namespaceURI];
    const node = [tag, names, looked ? [box.x, box.y, box.width, box.height].map(number) : 0,
                  looked ? look(view, element) : 0, state(element, tag)];
    const shadow = (view.shadowOf ?? ((host) => host.shadowRoot))(element);
    let frame = null;
    try {
      if (/^i?frame$/.test(tag)) frame = element.contentDocument;
    } catch {}
    if (INSIDE.has(tag) || /^i?frame$/.test(tag)) node.push([], null,
      frame?.documentElement ? walk(frame.documentElement) : null, []);
    else {
      const [text, children] = inside(element);
      node.push(tag === "html" ? [] : text, shadow ? inside(shadow) : null, null, children);
    }
    return node;
  };
  return page.documentElement ? JSON.stringify(walk(page.documentElement)) : "null";
}
"""
# In each of the visitor's documents: closed shadow trees are compared too.
SHADOWS: Final = """
(() => {
  const roots = new WeakMap();
  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (init) {
    const root = attachShadow.call(this, init);
    roots.set(this, root);
    return root;
  };
  const shadowOf = (host) => host.shadowRoot ?? roots.get(host) ?? null;
  Object.defineProperty(window, "shadowOf", { value: shadowOf });
})();
"""
# What the copy may show by means of another element.
STANDS_FOR: Final = {"canvas", "video", "audio", "object", "embed", "iframe", "frame"}
MOST_NODES: Final = 800
CLEARLY: Final = 48
MOST_DIFFERENCES: Final = 12


def snapshot(page: Page, document: str = "document", step: int = 0) -> tuple[Any, int]:
    """A document's nodes, and of which share of them box and look are told (each step-th).

    Args:    document: what it is called in the page.   step: 0 to find one.
    """
    if not step:
        nodes = page.evaluate(f"{document}.getElementsByTagName('*').length")
        step = nodes // MOST_NODES + 1
    asked = f"[{document}, {step}, {json.dumps(STYLES)}, {json.dumps(LOOK_OF_BOXES)}]"
    return json.loads(page.evaluate(f"({SNAPSHOT})({asked})")), step


def differences(wanted: Any, found: Any) -> list[str]:
    """In what two snapshots differ, one line for each."""
    lines: list[str] = []
    pairs = [("", wanted, found)]
    while pairs and len(lines) < MOST_DIFFERENCES:
        at, one, two = pairs.pop()
        if one is None or two is None:
            if one is not two:
                lines.append(f"{at}: {'missing' if two is None else 'not there at the visitor'}")
            continue
        lines += _of_element(at, one, two)
        where = f"{at} {one[0]}{'#' + one[1][0] if one[1][0] else ''}".strip()
        pairs += _inside(where, one, two, lines)
    return lines


def _of_element(at: str, one: Any, two: Any) -> list[str]:
    where = f"{at} {one[0]}{'#' + one[1][0] if one[1][0] else ''}".strip()
    lines = []
    if one[0] != two[0] and one[0] not in STANDS_FOR:
        lines.append(f"{where}: is {two[0]}")
        return lines
    replaced = one[0] != two[0]
    if one[1] != two[1] and not replaced:
        lines.append(f"{where}: names {one[1]} / {two[1]}")
    if one[2] and (not two[2] or any(abs(a - b) > 1 for a, b in zip(one[2], two[2], strict=True))):
        lines.append(f"{where}: box {one[2]} / {two[2]}")
    if one[3] != two[3] and not replaced:
        lines.append(f"{where}: look {_unlike(one[3] or [], two[3] or [])}")
    state, other = dict(one[4]), dict(two[4])
    scroll, other_scroll = state.pop("scroll"), other.pop("scroll")
    if any(abs(a - b) > 1 for a, b in zip(scroll, other_scroll, strict=True)):
        lines.append(f"{where}: scrolled to {scroll} / {other_scroll}")
    if state != other and not replaced:
        lines.append(f"{where}: state {state} / {other}")
    if one[5] != two[5] and not replaced:
        lines.append(f"{where}: text {_short(one[5])} / {_short(two[5])}")
    return lines


def _inside(where: str, one: Any, two: Any, lines: list[str]) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = []
    if one[6]:  # a shadow tree that the visitor's page has and tells of
        if not two[6]:
            lines.append(f"{where}: no shadow tree")
        else:
            if one[6][0] != two[6][0]:
                lines.append(f"{where}: shadow text {_short(one[6][0])} / {_short(two[6][0])}")
            pairs += _children(f"{where} //", one[6][1], two[6][1], lines)
    if one[7]:
        pairs.append((f"{where} ::", one[7], two[7]))
    if one[0] == two[0]:
        pairs += _children(where, one[8], two[8], lines)
    return pairs


def _children(where: str, one: Any, two: Any, lines: list[str]) -> list[tuple[str, Any, Any]]:
    if len(one) != len(two):
        tags = ([node[0] for node in nodes][:8] for nodes in (one, two))
        lines.append(f"{where}: {len(one)} children {next(tags)} / {len(two)} {next(tags)}")
        return []
    return [(where, a, b) for a, b in zip(one, two, strict=True)]


def _unlike(one: list[str], two: list[str]) -> str:
    if len(one) != len(two):
        return f"{_short(one[-5:])} / {_short(two[-5:])}"
    found = []
    for at, (a, b) in enumerate(zip(one, two, strict=True)):
        if a != b:
            found.append(f"{STYLES[at] if at < len(STYLES) else 'box'}: {a} / {b}")
    return "; ".join(found)[:300]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 120 else text[:120] + "…"


def picture(page: Page, clip: FloatRect | None = None) -> Image.Image:
    """What is to be seen, in CSS pixels, the caret as it is."""
    data = page.screenshot(clip=clip, caret="initial", scale="css")
    return Image.open(io.BytesIO(data)).convert("RGB")


def unlike(one: Image.Image, two: Image.Image) -> float:
    """The share of pixels that differ clearly in any colour, 0 to 1."""
    red, green, blue = ImageChops.difference(one, two).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    clear = most.point([0] * (CLEARLY + 1) + [255] * (255 - CLEARLY))
    return clear.histogram()[255] / (one.width * one.height)
