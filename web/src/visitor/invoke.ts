// glance_invoke: another window, a chat say, calls the API by a message.
import type { Internal } from "../globals";
import type { AccountSettings } from "../wire";

interface Invocation {
  func?: unknown;
  args?: unknown;
  groupid?: unknown;
}

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
  const { protocol, hostname } = url;
  const isLocal = /^(?:localhost|.+\.localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
  if (protocol !== "https:" && !(isLocal && protocol === "http:")) return false;
  return domains.some((entry) => {
    const domain = entry.trim().toLowerCase();
    if (domain.startsWith("*.")) return hostname.endsWith(domain.slice(1));
    return domain === hostname || domain === url.host;
  });
}

export function watchInvocations(
  internal: Internal,
  account: () => Promise<AccountSettings | undefined>,
  call: (method: string, args: unknown) => boolean,
): void {
  const hear = async ({ data, origin }: MessageEvent) => {
    const asked = (data as { glance_invoke: Invocation | null }).glance_invoke;
    const { func, args, groupid } = Object(asked) as Invocation;
    const settings = String(groupid) === internal.config.group ? await account() : undefined;
    const trusts = settings && isTrusted(origin, settings.trusted_domains);
    if (!trusts || typeof func !== "string" || !call(func, args)) internal.refused++;
  };
  internal.hear = () => {
    for (const event of internal.early.splice(0)) void hear(event);
  };
  internal.hear();
}
