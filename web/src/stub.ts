// The stub: inline in each page, before any script of the site. It answers the whole API at once and
// loads nothing that the page would wait for.
import {
  type CobrowseWindow,
  type Config,
  type Internal,
  readTicket,
  type Visitor,
} from "./globals";

// Replaced by the proxy with the page's own values.
declare const __COBROWSE__: Config;

/** A relay that never answers is told to the page as one that is not there. */
const TIMEOUT_MS = 10_000;
const METHODS = "startSession stopSession addEventListener removeEventListener";

function install(page: CobrowseWindow, config: Config): void {
  page.GLANCE = page.GLANCE || {};
  page.GLANCE.Cobrowse = page.GLANCE.Cobrowse || {};
  const cobrowse = page.GLANCE.Cobrowse;
  if (cobrowse.Visitor) return;
  // A frame is shown as part of the page around it.
  if (window !== window.top) return;
  page.GLANCE_COBROWSE = { ...config.identity };

  const nonce = document.currentScript?.nonce;
  const ticket = readTicket();
  const calls: Internal["calls"] = [];
  let loading = false;
  let retryMs = 500;
  let policy: { createScriptURL(url: string): string } | undefined;

  const internal: Internal = {
    config,
    calls,
    insert(file, done) {
      const script = document.createElement("script");
      let open = true;
      const end = (loaded: boolean) => {
        script.remove();
        if (open) done(loaded);
        open = false;
      };
      script.onload = () => end(true);
      script.onerror = () => end(false);
      setTimeout(() => end(false), TIMEOUT_MS);
      if (nonce) script.nonce = nonce;
      try {
        policy =
          policy || page.trustedTypes?.createPolicy("cobrowse", { createScriptURL: (url) => url });
        const url = config.base + file;
        script.src = policy ? policy.createScriptURL(url) : url;
        (document.head || document.documentElement).appendChild(script);
      } catch {
        end(false);
      }
    },
    load() {
      if (loading) return;
      loading = true;
      internal.insert("loader.js", () => {
        loading = !!internal.ready;
        if (loading) return;
        fail();
        // A session is on: the relay may be back in a moment.
        if (ticket) setTimeout(internal.load, retryMs);
        retryMs *= 2;
      });
    },
  };

  /** Tell the page's error listeners, if it wanted a session. A later call tries again. */
  function fail(): void {
    const wanted = calls.some(([method]) => method === "startSession");
    calls.splice(0, calls.length, ...calls.filter(([method]) => method !== "startSession"));
    if (!wanted) return;
    for (const [method, args] of calls) {
      if (method === "addEventListener" && args[0] === "error") {
        try {
          (args[1] as (error: object) => void)({
            code: "service",
            msg: "The co-browsing service cannot be reached.",
          });
        } catch (error) {
          setTimeout(() => {
            throw error;
          });
        }
      }
    }
  }

  const visitor: Visitor = {
    inSession: () => !!ticket,
    getKey: () => ticket.split(".")[0] || undefined,
  };
  for (const method of METHODS.split(" ")) {
    visitor[method] = (...args: unknown[]) => {
      calls.push([method, args]);
      if (method === "startSession") internal.load();
    };
  }
  cobrowse.Visitor = visitor;
  cobrowse._internal = internal;
  // An idle page gets the loader after its own load event, so that nothing of it waits for us.
  if (ticket || document.readyState === "complete") internal.load();
  else addEventListener("load", internal.load);
}

install(window as CobrowseWindow, __COBROWSE__);
