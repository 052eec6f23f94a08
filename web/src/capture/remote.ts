// Frames of other origins that pass through the same proxy. The page asks such a frame to record itself;
// what it says goes on as it is, in a numbering of its own.
import { fromJson, on as listen, toJson } from "../native";
import type { Op } from "../ops";
import type { Rules } from "../wire";
import type { Assets } from "./assets";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

/** What page and frame say to each other, under this name. */
export const FRAME = "cobrowse_frame";

export type ToFrame = { rules: Rules } | { stop: true };
export type FromFrame = { ops: Op[] } | { files: [address: string, base: string][] };

/** Whether a page is of one of our sites: what another port serves has not come through the proxy. */
export function isBehindProxy(
  { protocol, hostname, port }: URL,
  hosts: readonly string[],
): boolean {
  return hosts.includes(hostname) && protocol === location.protocol && port === location.port;
}

const MAX_TEXT = 8 * 1024 * 1024;

export class Remotes {
  private readonly known = new Map<Element, string>();

  /** hosts: of the sites behind the proxy. */
  constructor(
    private readonly hosts: readonly string[],
    private readonly rules: Rules,
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly assets: Assets,
    private readonly op: (op: Op) => void,
    life: AbortSignal,
  ) {
    if (!hosts.length) return;
    listen<MessageEvent>(window, "message", (event) => this.hear(event), { signal: life });
  }

  /** A frame that the page may not look into: it may record itself. */
  ask(element: Element): void {
    const origin = this.originOf(element);
    if (!origin || this.privacy.isHidden(element)) {
      this.drop(element);
      return;
    }
    this.known.set(element, origin);
    // Its files are given from here: the key to them stays on this page.
    this.send(element, { rules: { ...this.rules, assets: this.assets.isOn ? FRAME : "" } });
  }

  stop(): void {
    for (const element of [...this.known.keys()]) this.drop(element);
  }

  private drop(element: Element): void {
    if (!this.known.has(element)) return;
    this.send(element, { stop: true });
    this.known.delete(element);
  }

  private send(element: Element, message: ToFrame): void {
    const { contentWindow } = element as HTMLIFrameElement;
    contentWindow?.postMessage({ [FRAME]: message }, this.known.get(element) ?? "");
  }

  private originOf(element: Element): string | undefined {
    try {
      const url = new URL((element as HTMLIFrameElement).src, location.href);
      return isBehindProxy(url, this.hosts) ? url.origin : undefined;
    } catch {
      return undefined;
    }
  }

  private hear({ data, source, origin }: MessageEvent): void {
    const said = data?.[FRAME] as FromFrame | undefined;
    if (!said) return;
    for (const [element, expected] of this.known) {
      const number = this.numbers.of(element);
      if (!number) this.known.delete(element);
      else if ((element as HTMLIFrameElement).contentWindow === source && origin === expected) {
        if (this.privacy.isHidden(element)) this.drop(element);
        else this.take(number, said, origin);
        return;
      }
    }
  }

  private take(number: number, said: FromFrame, origin: string): void {
    if ("ops" in said) {
      try {
        // Whatever else it may be, it can be sent.
        const text = toJson(said.ops);
        if (Array.isArray(said.ops) && text.length < MAX_TEXT)
          this.op(["frame", number, fromJson(text) as Op[]]);
      } catch {
        // no operations
      }
      return;
    }
    if (!Array.isArray(said.files)) return;
    for (const [address, base] of said.files) {
      try {
        // No frame may have this page's own files shown.
        const url = new URL(String(address), String(base));
        if (url.origin !== location.origin || origin === location.origin) {
          this.assets.name(url.href, url.href);
        }
      } catch {
        // no address
      }
    }
  }
}
