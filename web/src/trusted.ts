// Which windows of other sites we listen to.

/**
 * Whether a window of this origin may call. A domain is a host, with or without a port, or "*." and a
 * host for all below it; it must come by https, unless it is this machine.
 */
export function isTrusted(origin: string, domains: readonly string[]): boolean {
  let url: URL;
  try {
    url = new URL(origin);
  } catch {
    return false; // "null"
  }
  const { protocol, hostname, host } = url;
  const isLocal = /^(?:localhost|.+\.localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
  if (protocol !== "https:" && !(isLocal && protocol === "http:")) return false;
  return domains.some((entry) => {
    const domain = entry.trim().toLowerCase();
    if (domain.startsWith("*.")) return hostname.endsWith(domain.slice(1));
    return domain === hostname || domain === host;
  });
}
