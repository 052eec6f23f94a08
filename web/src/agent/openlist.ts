// The list of an open select, which browsers draw outside the page: the copy's select is never open.
import { placeOf } from "./caret";

const MAX_ROWS = 20;
/** What browsers leave beside an option's text, in CSS pixels. */
const SIDE_PX = 4;

export class OpenList {
  /** Drawn over the copy. */
  readonly mark = document.createElement("div");

  constructor() {
    this.mark.className = "options";
    this.mark.hidden = true;
  }

  /** The list of the select among these elements, if one is. */
  show(elements: readonly Element[]): void {
    const select = elements.find(({ localName }) => localName === "select");
    this.mark.hidden = !select;
    if (select) this.draw(select as HTMLSelectElement);
  }

  private draw(select: HTMLSelectElement): void {
    const page = select.ownerDocument;
    const style = page.defaultView?.getComputedStyle(select);
    const box = select.getBoundingClientRect();
    const { left, top } = placeOf(page, { left: box.left, top: box.bottom });
    const rows = [...select.querySelectorAll("option,optgroup")].map((item) => {
      const row = document.createElement("div");
      const isGroup = item.localName === "optgroup";
      const { label, disabled, selected } = item as HTMLOptionElement;
      row.textContent = label;
      row.className = isGroup ? "group" : selected ? "chosen" : "";
      if (disabled) row.dataset.disabled = "";
      return row;
    });
    this.mark.replaceChildren(...rows);
    this.mark.style.cssText = `left: ${left}px; top: ${top}px; min-width: ${box.width}px;
      font: ${style?.font}; background: ${style?.backgroundColor}; color: ${style?.color}; --side: ${SIDE_PX}px; max-height: ${MAX_ROWS * 1.2}em`;
  }
}
