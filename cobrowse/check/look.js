// What a page is like, seen from a world that its own scripts do not reach. Nothing is waited for, as a page
// without scripts has no timers: what takes a moment is there when it is looked at again.
(() => {
  const asked = (globalThis.cobrowseCheck ??= begin());
  function begin() {
    const found = { blocking: 0 };
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) found.blocking += Math.max(0, duration - 50);
    }).observe({ type: "longtask", buffered: true });
    return found;
  }

  const MAX_NODES = 40_000;
  const MAX_CHARACTERS = 2_000;
  const MAX_HTML = 4_000_000;
  const tree = [];
  let isWhole = true;
  const isOurs = (node) => node.nodeType === 1 && node.localName.startsWith("cobrowse-");
  // A long text is told apart from another by its sum.
  const brief = (text) => {
    if (text.length <= MAX_CHARACTERS) return text;
    let sum = 0;
    for (let at = 0; at < text.length; at++) sum = (sum * 31 + text.charCodeAt(at)) | 0;
    return `${text.slice(0, MAX_CHARACTERS)}… ${text.length} ${sum}`;
  };
  const walk = (node, path) => {
    if (isOurs(node)) return;
    if (tree.length >= MAX_NODES) {
      isWhole = false;
      return;
    }
    let shown = node.nodeName;
    if (node.nodeType === 1) {
      // A nonce is another one at each load, and browsers hide it.
      const pairs = [...node.attributes].filter(({ name }) => name !== "nonce");
      shown += ` ${pairs.map(({ name, value }) => `${name}=${value}`).sort().join(" ")}`;
    } else if (node.nodeType === 10) shown += ` ${node.publicId} ${node.systemId}`;
    else if (node.nodeType !== 9) shown += ` ${node.data ?? ""}`;
    tree.push([path, brief(shown).toWellFormed()]);
    const within = node.localName === "template" && node.content ? node.content : node;
    for (const child of within.childNodes) walk(child, `${path}/${child.nodeName.toLowerCase()}`);
  };
  walk(document, "");

  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const [navigation] = performance.getEntriesByType("navigation");

  return {
    media_type: document.contentType,
    mode: document.compatMode === "CSS1Compat" ? "standards" : "quirks",
    charset: document.characterSet,
    tree,
    is_whole: isWhole,
    html: (document.documentElement?.outerHTML ?? "").slice(0, MAX_HTML).toWellFormed(),
    first_paint_ms: paint?.startTime ?? null,
    blocking_ms: asked.blocking,
    loaded_ms: navigation?.loadEventEnd || null,
  };
})()
