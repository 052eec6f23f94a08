// The agent's copy of a page, with its frames and shadow roots: what in it is masked, and where; which of some
// texts its fields show; whether it has an element of a name.
({ texts = [], name = "" }) => {
  const MASK = "••••••••";
  const frame = document.querySelector("#screen iframe");
  const at = frame?.getBoundingClientRect();
  const scale = at?.width / frame?.clientWidth || 1;
  const found = { rects: [], size: [frame?.clientWidth * scale, frame?.clientHeight * scale], shown: [], has: false };

  const look = (root, left, top) => {
    const add = (rect) => {
      if (rect.width && rect.height)
        found.rects.push([rect.left + left, rect.top + top, rect.width, rect.height].map((value) => value * scale));
    };
    if (name && root.querySelector(name)) found.has = true;
    const fields = [];
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot, left, top);
      if (element.contentDocument) {
        const outer = element.getBoundingClientRect();
        const { paddingLeft, paddingTop } = getComputedStyle(element);
        const x = outer.left + element.clientLeft + Number.parseFloat(paddingLeft);
        look(element.contentDocument, left + x, top + outer.top + element.clientTop + Number.parseFloat(paddingTop));
      }
      const isField = element.matches("input,textarea");
      if (isField) fields.push(element.value);
      const value = isField ? element.value || element.placeholder : "";
      const selected = element.matches("select") ? element.selectedOptions[0]?.text : "";
      if (`${value}${selected}`.includes(MASK)) add(element.getBoundingClientRect());
      for (const node of element.childNodes) {
        if (node.nodeType !== 3 || !node.data.includes(MASK)) continue;
        const range = element.ownerDocument.createRange();
        range.selectNode(node);
        add(range.getBoundingClientRect());
      }
    }
    found.shown.push(...texts.filter((text) => fields.some((value) => value.includes(text))));
  };
  if (frame?.contentDocument) look(frame.contentDocument, 0, 0);
  return found;
}
