// Which fields never leave the page, and what stands in their place.

/** Fields that were a password once stay one, whatever the page makes of them later. */
const known = new WeakSet<Element>();

const AUTOCOMPLETE = /(?:^|\s)(?:cc-|current-password|new-password|one-time-code)/i;
const NAME = new RegExp(
  [
    "pass(?:word|wd|phrase|code)|(?:^|[^a-z])pass(?:$|[^a-z])|pwd",
    "cvv|cvc|security[^a-z]?code|card[^a-z]?(?:no|num)",
    "(?:^|[^a-z])(?:pin|ssn|otp)(?:$|[^a-z])",
  ].join("|"),
  "i",
);
/** The same for every value: its length would tell something. */
const MASK = "••••••••";

export function isSecret(element: Element): boolean {
  if (known.has(element)) return true;
  if (element.tagName !== "INPUT" && element.tagName !== "TEXTAREA") return false;
  const secret =
    element.getAttribute("type")?.toLowerCase() === "password" ||
    AUTOCOMPLETE.test(element.getAttribute("autocomplete") ?? "") ||
    NAME.test(`${element.getAttribute("name") ?? ""} ${element.id}`);
  if (secret) known.add(element);
  return secret;
}

/** To be called for each field that is seen, before the page can turn it into another one. */
export function rememberIfSecret(element: Element): void {
  isSecret(element);
}

/** What the agent may see of a field's value. */
export function maskValue(value: string, element: Element | null): string {
  if (!value) return value;
  return element && !isSecret(element) ? value : MASK;
}
