// glance_invoke: another window, a chat say, calls the API by a message.
import type { Internal } from "../globals";
import { isTrusted } from "../trusted";
import type { AccountSettings } from "../wire";

interface Invocation {
  func?: unknown;
  args?: unknown;
  groupid?: unknown;
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
