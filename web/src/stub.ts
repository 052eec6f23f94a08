// The stub: inline in each page, before any script of the site. It answers the whole API at once and
// loads nothing that the page would wait for. Every byte of it is in every page: what can wait for the
// loader is there.
import type { CobrowseWindow, Config, Internal, Visitor } from "./globals";
import { policy, service } from "./words/errors.json";

// Replaced by the proxy, or by the relay, with the page's own values.
declare const __COBROWSE__: Config;
// Set by the build: whether this is the script of a tag that the site carries itself.
declare const TAG: boolean;

/** What is called before the loader is there waits for it; what matches STARTS asks for it. */
const METHODS = `startSession showTerms showButton toggleButton setStartParams stopSession
addEventListener removeEventListener sendSessionMessage addSessionMessageListener`;
const STARTS = /^(sta|sh|t)/;
/** Tags of the same API that a page may carry itself; an agent's has the same address and id. */
const TAGS = ":is(#cobrowsescript,#glance-cobrowse,[src*=CobrowseJS]):not([src*='script=Agent'])";
/** A relay that never answers is told to the page as one that is not there. */
const TIMEOUT_MS = 1e4;
const RETRY_MS = 2e3;

((page: CobrowseWindow, config: Config) => {
  const doc = document;
  const own = doc.currentScript as HTMLScriptElement;
  const { nonce, previousElementSibling: charset } = own;
  if (!TAG) {
    // The page's document is its own: no selector of it counts us, no editor saves us with a text.
    if (charset?.matches("[data-cobrowse]")) charset.remove();
    own.remove();
  }
  const cobrowse = ((page.GLANCE ||= {}).Cobrowse ||= {});
  const before = cobrowse._internal;
  // A page that the proxy has seen may carry a tag of its own, which then has the better address.
  if (TAG ? before?.ready || before?.config.tag : before) return;

  let ticket: string | undefined;
  try {
    ticket = /cobrowse_session=([\w.-]+)/.exec(doc.cookie)?.[1];
  } catch {} // a sandboxed page has no cookies
  let trusted = { createScriptURL: (url: string) => url };
  try {
    trusted = page.trustedTypes?.createPolicy("cobrowse", trusted) ?? trusted;
  } catch {} // a policy of the page's HTML
  const calls = TAG ? (before?.calls ?? []) : [];
  const closed = (TAG && before?.closed) || new WeakMap<Element, ShadowRoot>();
  const prototype = Element.prototype;
  const { attachShadow } = prototype;
  let loading: boolean | undefined;
  const isPoliced = () => doc.querySelector("[http-equiv=content-security-policy i]");

  const internal: Internal = (cobrowse._internal = {
    config,
    calls,
    early: [],
    asked: [],
    refused: 0,
    closed,
    native: { fetch, WebSocket, JSON, Promise, attachShadow },
    own,
    insert(file, done, integrity) {
      const script = doc.createElement("script");
      const end = () => {
        script.remove();
        done();
        done = () => {};
      };
      script.onload = script.onerror = end;
      setTimeout(end, TIMEOUT_MS);
      script.nonce = nonce;
      if (integrity) {
        script.integrity = integrity;
        script.crossOrigin = "";
      }
      try {
        // Absolute: a <base> of the page must not decide whose script runs with our nonce.
        script.src = trusted.createScriptURL((TAG ? "" : location.origin) + config.base + file);
      } catch {}
      (doc.head || doc.documentElement).append(script);
    },
    load() {
      if (!TAG && doc.querySelector(TAGS)) {
        if (!internal.ready) delete cobrowse.Visitor; // the page's own tag is in charge
      } else if (!loading) {
        loading = true;
        internal.insert("loader.js", onEnd, config.integrity);
      }
    },
  });

  function onEnd(): void {
    loading = internal.ready;
    if (loading) return;
    // A session is on: the relay may be back in a moment.
    if (ticket) setTimeout(internal.load, RETRY_MS);
    const kept = calls.filter(([method]) => !STARTS.test(method));
    if (kept.length === calls.length) return;
    const error = isPoliced() ? { code: "policy", msg: policy } : { code: "service", msg: service };
    calls.length = 0;
    for (const call of kept) {
      calls.push(call);
      // Later, so that what the page throws is the page's own.
      if (call[1][0] === "error") setTimeout(call[1][1] as () => void, 0, error);
    }
  }

  if (!before) {
    // Nothing tells later which shadow roots are closed to us.
    prototype.attachShadow = {
      attachShadow(this: Element, init: ShadowRootInit): ShadowRoot {
        const root = attachShadow.call(this, init);
        closed.set(this, root);
        cobrowse._internal?.capture?.attached(this);
        return root;
      },
    }.attachShadow;
  }
  const framed = window !== top;
  try {
    // A frame is shown as part of the page around it, which alone starts and ends sessions.
    if (framed && (parent as unknown as CobrowseWindow).GLANCE?.Cobrowse?._internal) return;
  } catch {} // a page of another origin, whose script may drive us by messages

  const visitor: Visitor = (cobrowse.Visitor = {
    inSession: () => !!ticket,
    getKey: () => ticket?.split(".")[0],
  });
  for (const method of METHODS.split(/\s/)) {
    visitor[method] = (...args: unknown[]) => {
      calls.push([method, args]);
      if (STARTS.test(method)) internal.load();
    };
  }
  if (!TAG) page.GLANCE_COBROWSE = config.identity;
  // An idle page gets the loader after its own load event, so that nothing of it waits for us; not
  // where a policy of the page, which the proxy never edits, might complain of it.
  if (ticket) internal.load();
  else if (TAG && !framed && doc.readyState === "complete") internal.load();
  else if (!framed) addEventListener("load", () => isPoliced() || internal.load());
  addEventListener("message", (event) => {
    const { data } = event;
    if (data?.cobrowse_frame) {
      // The page around shows this frame to agents; the script sees whether it may.
      internal.asked.push(event);
      if (internal.record) internal.record();
      else internal.insert("capture.js", onEnd);
    }
    if (!data?.glance_invoke) return;
    internal.early.push(event);
    internal.load();
    internal.hear?.();
  });
})(window as CobrowseWindow, __COBROWSE__);
