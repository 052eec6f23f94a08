// Which browser this is, for the agent's "navigate" event.

import { clean } from "../text";
import type { Page } from "../wire";
import { tellableAddress } from "./address";
import { documentTitle } from "./dom";
import type { Privacy } from "./privacy";

const VERSION = "0.1.0";
const NAMES: [pattern: RegExp, name: string][] = [
  [/Edg(?:A|iOS)?\/([\d.]+)/, "Edge"],
  [/OPR\/([\d.]+)/, "Opera"],
  [/SamsungBrowser\/([\d.]+)/, "Samsung Internet"],
  [/(?:Firefox|FxiOS)\/([\d.]+)/, "Firefox"],
  [/(?:Chrome|CriOS)\/([\d.]+)/, "Chrome"],
  [/Version\/([\d.]+).*Safari/, "Safari"],
];
const PLATFORMS: [pattern: RegExp, name: string][] = [
  [/Windows/, "Windows"],
  [/Android/, "Android"],
  [/iPhone|iPad|iPod/, "iOS"],
  [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

export function browserOf(agent: string): Page["browser"] {
  for (const [pattern, name] of NAMES) {
    const version = pattern.exec(agent)?.[1];
    if (version) return { name, version, platform: platformOf(agent) };
  }
  return { name: "", version: "", platform: platformOf(agent) };
}

function platformOf(agent: string): string {
  return PLATFORMS.find(([pattern]) => pattern.test(agent))?.[1] ?? "";
}

/** This page, as far as the group's rules let it be told. */
export function currentPage(privacy: Privacy): Page {
  const hidesTitle = privacy.hidesPage(location.href) || privacy.hidesTitle();
  return {
    url: clean(tellableAddress(location.href, privacy.rules), 8192),
    title: hidesTitle ? "" : clean(documentTitle(document), 1024),
    browser: browserOf(navigator.userAgent),
    visitorversion: VERSION,
  };
}
