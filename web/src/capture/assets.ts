// The page's images, fonts and style sheets, for agents. What the page shows is named; the proxy has most
// of it, and gives it to the relay. The rest is given from here, if the browser still has it: the site is
// never asked again.
import { ASSET, assetId } from "../asset";
import type { Sink } from "../globals";
import { fromJson, nativeFetch, toJson } from "../native";

const BATCH = 100;
const GATHER_MS = 20;
const MAX_NAMES = 3_000;
const MAX_BYTES = 8 * 1024 * 1024;
const GIVING_AT_ONCE = 2;
const TRIES = 4;
const RETRY_MS = 1_000;
/** An address in a style sheet that leads nowhere. */
const NOWHERE = "about:invalid";

/** Where a file is to be had if the browser gives it to nobody. */
export type Source = () => Promise<Blob | undefined>;

export class Assets {
  /** By id: the addresses of this page. */
  private readonly known = new Map<string, string>();
  private waiting = new Map<string, string>();
  /** Named, and not to be had so far. */
  private readonly absent = new Set<string>();
  private readonly sources = new Map<string, Source>();
  private giving: string[] = [];
  private inHand = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly observer: PerformanceObserver | undefined;
  private isStopped = false;

  /** base: of our own paths. key: the session's; "" where agents get no files. */
  constructor(
    private readonly base: string,
    private readonly key: string,
    private readonly hasProxy: boolean,
    /** Of a page in a frame: the page around names the files. */
    private readonly sink: Sink,
  ) {
    if (!key || sink.files || typeof PerformanceObserver === "undefined") return;
    // What the browser has only now was named too early.
    this.observer = new PerformanceObserver((list) => {
      for (const { name } of list.getEntries()) {
        const id = assetId(withoutFragment(name));
        if (this.absent.delete(id)) this.ask(id, withoutFragment(name));
      }
    });
    this.observer.observe({ type: "resource" });
  }

  get isOn(): boolean {
    return !!this.key;
  }

  /** Give a file that has no address. */
  async put(id: string, file: Blob): Promise<void> {
    if (this.sink.files) return; // nor do frames give any
    await this.send(id, file);
  }

  stop(): void {
    this.isStopped = true;
    this.observer?.disconnect();
    clearTimeout(this.timer);
  }

  /** A keyframe begins: the relay may be another one, which has nothing yet. */
  reset(): void {
    this.known.clear();
    this.waiting.clear();
    this.absent.clear();
    this.giving = [];
  }

  /**
   * What stands for an address in what leaves the page. source: where to get the file if neither proxy
   * nor browser has it.
   */
  name(address: string, base: string, source?: Source): string {
    // Some have been named before, in a sheet that another imports.
    if (/^(?:#|asset:)/i.test(address) || (!source && /^data:/i.test(address))) return address;
    if (!this.key) return NOWHERE;
    let url: URL;
    try {
      url = new URL(address, base);
    } catch {
      return NOWHERE;
    }
    if (!/^(?:https?|blob|data):$/.test(url.protocol)) return NOWHERE;
    const { hash } = url;
    const plain = withoutFragment(url.href);
    const id = assetId(plain);
    if (source) this.sources.set(id, source);
    if (!this.known.has(id)) {
      if (this.known.size >= MAX_NAMES) return NOWHERE;
      this.known.set(id, plain);
      this.ask(id, plain);
    } else if (source && this.absent.delete(id)) {
      this.ask(id, plain);
    }
    return `${ASSET}${id}${hash}`;
  }

  private ask(id: string, address: string): void {
    if (this.isStopped) return;
    if (this.sink.files) {
      this.sink.files({ files: [[address, address]] });
      return;
    }
    // Nobody but this page has these.
    if (/^(?:blob|data):/.test(address)) this.give(id);
    else this.waiting.set(id, address);
    if (this.waiting.size) this.timer ??= setTimeout(() => void this.tell(), GATHER_MS);
  }

  private async tell(again = false, tries = TRIES): Promise<void> {
    this.timer = undefined;
    const named = [...this.waiting].slice(0, BATCH);
    for (const [id] of named) this.waiting.delete(id);
    if (this.waiting.size) this.timer = setTimeout(() => void this.tell(), GATHER_MS);
    try {
      const missing = await this.missing(named, again);
      if (again) for (const id of missing) this.give(id);
      else if (missing.length) {
        // The proxy may think that the relay has them, which has forgotten.
        const asked = named.filter(([id]) => missing.includes(id));
        for (const id of await this.missing(asked, true)) this.give(id);
      }
    } catch {
      if (this.isStopped || tries <= 1) return;
      setTimeout(() => {
        for (const [id, address] of named) this.waiting.set(id, address);
        void this.tell(again, tries - 1);
      }, RETRY_MS);
    }
  }

  private async missing(named: [string, string][], again: boolean): Promise<string[]> {
    const url = this.address("assets");
    if (again) url.searchParams.set("again", "1");
    // The proxy has seen the addresses; where there is none, they stay here.
    const body = toJson(
      Object.fromEntries(named.map(([id, address]) => [id, this.hasProxy ? address : ""])),
    );
    const response = await nativeFetch(url, { method: "POST", body, credentials: "same-origin" });
    if (!response.ok) throw new Error("the files cannot be named now");
    return fromJson(await response.text()) as string[];
  }

  private give(id: string): void {
    this.giving.push(id);
    void this.giveNext();
  }

  private async giveNext(): Promise<void> {
    if (this.inHand >= GIVING_AT_ONCE || this.isStopped) return;
    const id = this.giving.shift();
    const address = id && this.known.get(id);
    if (!id || !address) return;
    this.inHand++;
    try {
      // Before it is asked for: that counts as loading, too.
      const isThere = isLoaded(address) || this.sources.has(id);
      const file = isThere ? await this.file(id, address) : undefined;
      if (!file) this.absent.add(id);
      // Nobody waits for what the browser shows and will not tell.
      if (isThere) await this.send(id, file);
    } catch {
      this.absent.add(id); // the relay is away; the next keyframe names it again
    }
    this.inHand--;
    void this.giveNext();
  }

  /** An empty file says that there is none. */
  private async send(id: string, file: Blob | undefined): Promise<void> {
    const url = this.address("asset");
    url.searchParams.set("id", id);
    url.searchParams.set("type", file?.type ?? "");
    // Without a type, so that no other site's relay is asked first whether it may be sent.
    const body = new Blob(file ? [file] : []);
    await nativeFetch(url, { method: "POST", body, credentials: "same-origin" });
  }

  private address(name: string): URL {
    const url = new URL(this.base + name, location.origin);
    url.searchParams.set("key", this.key);
    return url;
  }

  /** What the browser has of a file. */
  private async file(id: string, address: string): Promise<Blob | undefined> {
    const file = (await fromBrowser(address)) ?? (await this.sources.get(id)?.());
    return file && file.size <= MAX_BYTES ? file : undefined;
  }
}

async function fromBrowser(address: string): Promise<Blob | undefined> {
  const isOwn = new URL(address).origin === location.origin;
  const isHere = /^(?:blob|data):/.test(address);
  try {
    const response = await nativeFetch(
      new URL(address),
      isHere
        ? {}
        : isOwn
          ? { cache: "only-if-cached", mode: "same-origin" }
          : { cache: "force-cache", credentials: "omit" },
    );
    return response.ok ? await response.blob() : undefined;
  } catch {
    return undefined; // not cached, another host's without CORS, or a policy of the page
  }
}

/** Whether the browser has had it for this page, and so may have it in its cache. */
function isLoaded(address: string): boolean {
  if (/^(?:blob|data):/.test(address)) return true;
  return performance.getEntriesByName(address, "resource").length > 0;
}

function withoutFragment(address: string): string {
  const at = address.indexOf("#");
  return at < 0 ? address : address.slice(0, at);
}
