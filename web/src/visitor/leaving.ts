// Links to other sites behind the same proxy: cookies do not reach them, so a link carries the ticket, for
// the time of one click.
import type { Config } from "../globals";
import { on } from "../native";

/** handover: the ticket; "" while there is none. Of the hosts, *.host is for all below it. */
export function watchLinks({ base, hosts = [] }: Config, handover: () => string): void {
  if (!hosts.length) return;
  const isOurs = (name: string) =>
    hosts.some((host) => host === name || (host.startsWith("*.") && name.endsWith(host.slice(1))));
  const lead = (event: Event) => {
    const ticket = handover();
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (!ticket || !(link instanceof HTMLAnchorElement)) return;
    const { host, hostname, origin, pathname, search, hash } = link;
    if (host === location.host || !isOurs(hostname)) return;
    const before = link.getAttribute("href");
    const to = encodeURIComponent(pathname + search + hash);
    link.href = `${origin}${base}take?ticket=${ticket}&to=${to}`;
    // The browser has the address when all listeners have had the click.
    setTimeout(() => before !== null && link.setAttribute("href", before));
  };
  on(window, "click", lead, { capture: true });
  on(window, "auxclick", lead, { capture: true });
}
