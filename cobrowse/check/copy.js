// The agent's copy of a page, with its frames and shadow roots: what in it is masked, and where; what its fields
// hold; whether it has an element of a name.
(name) => {
  const MASK = "••••••••";
  const MAX_VALUES = 2_000;
  const MAX_CHARACTERS = 500;
  // Fields of a form hide its properties behind their own names.
  const { get: shadowRoot } = Object.getOwnPropertyDescriptor(Element.prototype, "shadowRoot");
  const { get: childNodes } = Object.getOwnPropertyDescriptor(Node.prototype, "childNodes");
  const frame = document.querySelector("#screen iframe");
  const at = frame?.getBoundingClientRect();
  const scale = at?.width / frame?.clientWidth || 1;
  const found = { rects: [], size: [frame?.clientWidth * scale, frame?.clientHeight * scale], values: [], has: false };

  const look = (root, left, top) => {
    const add = (rect) => {
      if (rect.width && rect.height)
        found.rects.push([rect.left + left, rect.top + top, rect.width, rect.height].map((value) => value * scale));
    };
    if (name && root.querySelector(name)) found.has = true;
    for (const element of root.querySelectorAll("*")) {
      const { localName } = element;
      const shadow = shadowRoot.call(element);
      if (shadow) look(shadow, left, top);
      if (["iframe", "frame", "object", "embed"].includes(localName) && element.contentDocument) {
        const outer = element.getBoundingClientRect();
        const { paddingLeft, paddingTop } = getComputedStyle(element);
        const x = outer.left + element.clientLeft + Number.parseFloat(paddingLeft);
        look(element.contentDocument, left + x, top + outer.top + element.clientTop + Number.parseFloat(paddingTop));
      }
      const isField = localName === "input" || localName === "textarea";
      if (isField && found.values.length < MAX_VALUES) found.values.push(element.value.slice(0, MAX_CHARACTERS));
      const value = isField ? element.value || element.placeholder : "";
      const selected = localName === "select" ? element.selectedOptions[0]?.text : "";
      if (`${value}${selected}`.includes(MASK)) add(element.getBoundingClientRect());
      for (const node of childNodes.call(element)) {
        if (node.nodeType !== 3 || !node.data.includes(MASK)) continue;
        const range = element.ownerDocument.createRange();
        range.selectNode(node);
        add(range.getBoundingClientRect());
      }
    }
  };
  if (frame?.contentDocument) look(frame.contentDocument, 0, 0);
  return found;
}
