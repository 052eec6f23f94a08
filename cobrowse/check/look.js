// What a page is like, seen from a world that its own scripts do not reach. Nothing is waited for, as a page
// without scripts has no timers: what takes a moment is there when it is looked at again.
(isFirst) => {
  const asked = (globalThis.cobrowseCheck ??= begin());
  function begin() {
    const found = { blocking: 0 };
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) found.blocking += Math.max(0, duration - 50);
    }).observe({ type: "longtask", buffered: true });
    return found;
  }
  if (isFirst) return null;

  // Fields of a form hide its properties behind their own names, here too.
  const getter = ({ prototype }, name) => {
    const { get } = Object.getOwnPropertyDescriptor(prototype, name);
    return (object) => get.call(object);
  };
  const nodeName = getter(Node, "nodeName");
  const nodeType = getter(Node, "nodeType");
  const childNodes = getter(Node, "childNodes");
  const attributes = getter(Element, "attributes");
  const localName = getter(Element, "localName");
  const data = getter(CharacterData, "data");
  const content = getter(HTMLTemplateElement, "content");
  const outerHTML = getter(Element, "outerHTML");
  const root = getter(Document, "documentElement")(document);

  const MAX_NODES = 40_000;
  const MAX_CHARACTERS = 2_000;
  const MAX_HTML = 4_000_000;
  const NAMES_IN_PATH = 12;
  const ELEMENT = 1;
  const CHARACTERS = [3, 4, 7, 8];
  const DOCTYPE = 10;
  // A long text is told apart from another by its sum.
  const brief = (text) => {
    if (text.length <= MAX_CHARACTERS) return text;
    let sum = 0;
    for (let at = 0; at < text.length; at++) sum = (sum * 31 + text.charCodeAt(at)) | 0;
    return `${text.slice(0, MAX_CHARACTERS)}… ${text.length} ${sum}`;
  };
  const shownAs = (node) => {
    const type = nodeType(node);
    if (type === ELEMENT) {
      // A nonce is another one at each load, and browsers hide it.
      const pairs = [...attributes(node)].filter(({ name }) => name !== "nonce");
      return `${nodeName(node)} ${pairs.map(({ name, value }) => `${name}=${value}`).sort().join(" ")}`;
    }
    if (type === DOCTYPE) return `${nodeName(node)} ${node.publicId} ${node.systemId}`;
    return CHARACTERS.includes(type) ? `${nodeName(node)} ${data(node)}` : nodeName(node);
  };

  const tree = [];
  const waiting = [[document, [0]]];
  while (waiting.length && tree.length < MAX_NODES) {
    const [node, names] = waiting.pop();
    const [depth, ...last] = names;
    const above = depth > last.length ? `(${depth})…/` : "/";
    tree.push([last.length ? above + last.join("/") : "", brief(shownAs(node)).toWellFormed()]);
    const within = node instanceof HTMLTemplateElement ? content(node) : node;
    for (const child of [...childNodes(within)].reverse()) {
      if (nodeType(child) === ELEMENT && localName(child).startsWith("cobrowse-")) continue;
      const below = [...last, nodeName(child).toLowerCase()].slice(-NAMES_IN_PATH);
      waiting.push([child, [depth + 1, ...below]]);
    }
  }

  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const [navigation] = performance.getEntriesByType("navigation");

  return {
    media_type: getter(Document, "contentType")(document),
    mode: getter(Document, "compatMode")(document) === "CSS1Compat" ? "standards" : "quirks",
    charset: getter(Document, "characterSet")(document),
    tree,
    is_whole: !waiting.length,
    html: root ? outerHTML(root).slice(0, MAX_HTML).toWellFormed() : "",
    first_paint_ms: paint?.startTime ?? null,
    blocking_ms: asked.blocking,
    loaded_ms: navigation?.loadEventEnd || null,
  };
}
