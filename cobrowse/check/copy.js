// The agent's copy of a page: what in it is masked, and where; whether fields show what was put into them.
(probes) => {
  const MASK = "••••••••";
  const frame = document.querySelector("#screen iframe");
  const copy = frame.contentDocument;
  const at = frame.getBoundingClientRect();
  const scale = at.width / frame.clientWidth || 1;
  const rects = [];
  const add = ({ left, top, width, height }) => {
    if (width && height) rects.push([left, top, width, height].map((value) => value * scale));
  };
  for (const element of copy.querySelectorAll("*")) {
    const value = element.matches("input,textarea") ? element.value || element.placeholder : "";
    const selected = element.matches("select") ? element.selectedOptions[0]?.text : "";
    if (`${value}${selected}`.includes(MASK)) add(element.getBoundingClientRect());
    for (const node of element.childNodes) {
      if (node.nodeType !== 3 || !node.data.includes(MASK)) continue;
      const range = copy.createRange();
      range.selectNode(node);
      add(range.getBoundingClientRect());
    }
  }
  const shown = [...copy.querySelectorAll("input,textarea")].map(({ value }) => value);
  return {
    rects,
    size: [frame.clientWidth * scale, frame.clientHeight * scale],
    readable: probes.filter((probe) => shown.some((value) => value.includes(probe))),
  };
}
