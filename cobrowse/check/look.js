// What a page is like, seen from a world that its own scripts do not reach. Nothing is waited for, as a page
// without scripts has no timers: what takes a moment is there when it is looked at again.
(() => {
  const asked = (globalThis.cobrowseCheck ??= begin());
  function begin() {
    const found = { blocking: 0, workers: [] };
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) found.blocking += Math.max(0, duration - 50);
    }).observe({ type: "longtask", buffered: true });
    try {
      navigator.serviceWorker?.getRegistrations().then(
        (all) => {
          found.workers = all.map(({ scope }) => scope);
        },
        () => {},
      );
    } catch {
      // a page in a sandbox may not ask
    }
    return found;
  }

  const MAX_NODES = 40_000;
  const tree = [];
  const isOurs = (node) => node.nodeType === 1 && node.localName.startsWith("cobrowse-");
  const walk = (node, path) => {
    if (tree.length >= MAX_NODES || isOurs(node)) return;
    let shown = node.nodeName;
    if (node.nodeType === 1) {
      // A nonce is another one at each load, and browsers hide it.
      const pairs = [...node.attributes].filter(({ name }) => name !== "nonce");
      shown += ` ${pairs.map(({ name, value }) => `${name}=${value}`).sort().join(" ")}`;
    } else if (node.nodeType === 10) shown += ` ${node.publicId} ${node.systemId}`;
    else if (node.nodeType !== 9) shown += ` ${node.data ?? ""}`;
    tree.push([path, shown]);
    const counts = new Map();
    for (const child of (node.localName === "template" && node.content ? node.content : node).childNodes) {
      if (isOurs(child)) continue;
      const count = (counts.get(child.nodeName) ?? 0) + 1;
      counts.set(child.nodeName, count);
      walk(child, `${path}/${child.nodeName.toLowerCase()}${count > 1 ? `[${count}]` : ""}`);
    }
  };
  walk(document, "");

  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const [navigation] = performance.getEntriesByType("navigation");

  return {
    mode: document.compatMode === "CSS1Compat" ? "standards" : "quirks",
    charset: document.characterSet,
    title: document.title,
    tree,
    html: document.documentElement?.outerHTML ?? "",
    first_paint_ms: paint?.startTime ?? null,
    blocking_ms: asked.blocking,
    loaded_ms: navigation?.loadEventEnd || null,
    workers: asked.workers,
  };
})()
