// The resume ticket: a session cookie of the page's own site, so that the next page finds it.
import { readTicket, SESSION_COOKIE } from "../globals";

export { readTicket };

/** The widest domain that this site's cookies may have: its other hosts go on with the session. */
let domain: string | undefined;

export function siteDomain(): string {
  if (domain !== undefined) return domain;
  domain = "";
  const labels = location.hostname.split(".");
  // An address has no wider one.
  if (/^[\d.]+$|:/.test(location.hostname)) return domain;
  for (let from = labels.length - 2; from >= 0 && !domain; from--) {
    const wanted = labels.slice(from).join(".");
    write("cobrowse_probe", "1", `; Domain=${wanted}`);
    if (document.cookie.includes("cobrowse_probe=1")) domain = wanted;
    write("cobrowse_probe", "", `; Domain=${wanted}; Max-Age=0`);
  }
  return domain;
}

/** "" takes it away. */
export function writeTicket(ticket: string): void {
  const wide = siteDomain();
  // A link from another of our sites has left one for this host alone, which would outlive the session.
  if (wide) write(SESSION_COOKIE, "", "; Max-Age=0");
  write(SESSION_COOKIE, ticket, (ticket ? "" : "; Max-Age=0") + (wide ? `; Domain=${wide}` : ""));
}

function write(name: string, value: string, more: string): void {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  // biome-ignore lint/suspicious/noDocumentCookie: cookieStore is missing on plain http
  document.cookie = `${name}=${value}; Path=/; SameSite=Lax${secure}${more}`;
}
