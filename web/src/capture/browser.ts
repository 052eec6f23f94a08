// Which browser this is, for the agent's "navigate" event.
import type { Page } from "../wire";

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
