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

/** Tags of the same API that a page may carry itself. */
const TAGS = '#cobrowsescript,#glance-cobrowse,script[src*="CobrowseJS.ashx"]';

const META_POLICY = 'meta[http-equiv="content-security-policy" i]';

function install(page: CobrowseWindow, config: Config): void {
  const own = document.currentScript;
  const nonce = own?.nonce;
  // The page's document is its own: no selector of it counts us, and no editor saves us with a text.
  const charset = own?.previousElementSibling;
  if (charset?.matches("meta[data-cobrowse]")) charset.remove();
  own?.remove();
  page.GLANCE = page.GLANCE || {};
  page.GLANCE.Cobrowse = page.GLANCE.Cobrowse || {};
  const cobrowse = page.GLANCE.Cobrowse;
  if (cobrowse.Visitor || cobrowse._internal) return;

  const ticket = readTicket();
  const calls: Internal["calls"] = [];
  let loading = false;
  let retryMs = 500;
  let policy: { createScriptURL(url: string): string } | undefined;

  const closed = new WeakMap<Element, ShadowRoot>();
  const internal: Internal = {
    config,
    known: { closed, passwords: new WeakSet(), ignored: new WeakSet() },
    calls,
    blocked: "",
    insert(file, integrity, done) {
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
      if (config.integrity) {
        script.integrity = integrity;
        script.crossOrigin = "anonymous";
      }
      try {
        policy =
          policy || page.trustedTypes?.createPolicy("cobrowse", { createScriptURL: (url) => url });
        // Absolute: a <base> of the page must not decide whose script runs with our nonce.
        const url = location.origin + config.base + file;
        script.src = policy ? policy.createScriptURL(url) : url;
        (document.head || document.documentElement).appendChild(script);
      } catch {
        end(false);
      }
    },
    load() {
      if (loading || standDown()) return;
      loading = true;
      internal.insert("loader.js", config.integrity ?? "", () => {
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
          (args[1] as (error: object) => void)(
            internal.blocked
              ? { code: "policy", msg: "The page's content security policy forbids co-browsing." }
              : { code: "service", msg: "The co-browsing service cannot be reached." },
          );
        } catch (error) {
          setTimeout(() => {
            throw error;
          });
        }
      }
    }
  }

  /** A page with a tag of its own is in charge of it. */
  function standDown(): boolean {
    if (internal.ready || !document.querySelector(TAGS)) return false;
    if (cobrowse.Visitor === visitor) delete cobrowse.Visitor;
    return true;
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
  cobrowse._internal = internal;
  watchEarly(internal);
  // A frame is shown as part of the page around it, which alone starts and ends sessions.
  if (config.frame || window !== window.top) return;
  page.GLANCE_COBROWSE = { ...config.identity };
  cobrowse.Visitor = visitor;
  document.addEventListener("securitypolicyviolation", (event) => {
    const { blockedURI, disposition, effectiveDirective } = event;
    const isOurs = blockedURI.includes(config.base) || blockedURI === config.socket;
    if (isOurs && disposition === "enforce") internal.blocked = effectiveDirective;
  });
  // An idle page gets the loader after its own load event, so that nothing of it waits for us; not
  // where a policy of the page, which the proxy never edits, might complain of it.
  const loadIdle = () => document.querySelector(META_POLICY) || internal.load();
  if (ticket) internal.load();
  else if (document.readyState === "complete") loadIdle();
  else addEventListener("load", loadIdle);
}

/** What cannot be seen any more when a session starts: closed shadow roots, fields that were a password. */
function watchEarly(internal: Internal): void {
  const { known } = internal;
  const prototype = Element.prototype;
  const attachShadow = prototype.attachShadow;
  prototype.attachShadow = {
    attachShadow(this: Element, init: ShadowRootInit): ShadowRoot {
      const root = attachShadow.call(this, init);
      if (init.mode === "closed") known.closed.set(this, root);
      internal.capture?.attached(this);
      return root;
    },
  }.attachShadow;
  new MutationObserver((records) => {
    for (const { oldValue, target } of records) {
      if (oldValue === "password") known.passwords.add(target as Element);
    }
  }).observe(document, { attributeFilter: ["type"], attributeOldValue: true, subtree: true });
}

install(window as CobrowseWindow, __COBROWSE__);
