// The agent's copy of the visitor's page, with what is drawn over it.
import { FrameDecoder } from "../codec";
import type { Op } from "../ops";
import { Caret } from "./caret";
import { emptyFrame } from "./elements";
import { OpenList } from "./openlist";
import { Styles } from "./sheets";
import { PageTree, type TreeHandlers } from "./tree";

export type CopyHandlers = Omit<TreeHandlers, "mouse">;

export class Copy {
  readonly iframe: HTMLIFrameElement;
  readonly cursor: HTMLElement;
  private readonly shared = { styles: new Styles(""), caret: new Caret(), list: new OpenList() };
  private readonly decoder = new FrameDecoder<Op>();
  private readonly tree: PageTree;

  constructor(root: HTMLElement, handlers: CopyHandlers) {
    this.iframe = emptyFrame(document);
    this.iframe.title = "The visitor's page";
    this.iframe.inert = true;
    this.cursor = document.createElement("div");
    this.cursor.className = "cursor";
    this.cursor.hidden = true;
    const page = document.createElement("div");
    page.className = "page";
    page.append(this.iframe, this.shared.caret.mark, this.shared.list.mark, this.cursor);
    root.append(page);
    this.tree = new PageTree(this.iframe, this.shared, {
      ...handlers,
      size: (width, height) => {
        this.iframe.width = String(width);
        this.iframe.height = String(height);
        handlers.size(width, height);
      },
      mouse: (x, y) => {
        this.cursor.hidden = false;
        this.cursor.style.left = `${x}px`;
        this.cursor.style.top = `${y}px`;
      },
    });
  }

  /** Where the session's files are. */
  set styles(styles: Styles) {
    this.shared.styles = styles;
  }

  /** Do what a frame says. Throws for bytes that are no frame of ours. */
  apply(bytes: Uint8Array): void {
    const frame = this.decoder.decode(bytes);
    for (const op of frame?.ops ?? []) this.tree.run(op);
    this.shared.caret.refresh();
  }
}
