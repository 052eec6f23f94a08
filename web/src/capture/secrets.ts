// Fields that hide their content whatever the rules say: passwords, cards, one-time codes.
import { attribute, localName } from "./dom";

const AUTOCOMPLETE = /(?:^|\s)(?:cc-|current-password|new-password|one-time-code)/i;
const NAME = new RegExp(
  [
    "pass(?:word|wd|phrase|code)|(?:^|[^a-z])pass(?:$|[^a-z])|pwd",
    "cvv|cvc|security[^a-z]?code|card[^a-z]?(?:no|num)",
    "(?:^|[^a-z])(?:pin|ssn|otp|totp|mfa)(?:$|[^a-z])|one[^a-z]?time",
  ].join("|"),
  "i",
);
/** As many boxes for one character each in one place are a code. */
const CODE_BOXES = 4;
const MAX_PASSWORDS = 100;
const CARD_PARTIAL = /^[3-6]\d{7,18}$/;
const CARD_WITHIN = /(?:\d[\s.-]?){13,19}/g;

/** Fields that were secret once stay so, whatever the page makes of them later. */
export class Secrets {
  private readonly known: WeakSet<Node>;
  /** Password fields: a page may copy their content into a field of another kind. */
  private readonly passwords = new Set<HTMLInputElement>();
  private readonly names = new Set<string>();

  /** known: fields that were a password before a session began. */
  constructor(known: WeakSet<Node>) {
    this.known = known;
  }

  isSecret(element: Element): boolean {
    if (this.known.has(element)) return true;
    const tag = localName(element);
    if (tag === "select") return AUTOCOMPLETE.test(attribute(element, "autocomplete") ?? "");
    if (tag !== "input" && tag !== "textarea") return false;
    const name = attribute(element, "name") ?? "";
    const secret =
      attribute(element, "type")?.toLowerCase() === "password" ||
      AUTOCOMPLETE.test(attribute(element, "autocomplete") ?? "") ||
      NAME.test(`${name} ${attribute(element, "id") ?? ""}`) ||
      (!!name && this.names.has(name)) ||
      isCodeBox(element) ||
      this.holdsSecret((element as HTMLInputElement).value);
    if (secret) this.remember(element);
    return secret;
  }

  /** This is secret from now on. */
  add(element: Element): void {
    this.known.add(element);
  }

  private remember(element: Element): void {
    this.known.add(element);
    const field = element as HTMLInputElement;
    if (attribute(field, "type")?.toLowerCase() !== "password") return;
    const name = attribute(field, "name");
    if (name) this.names.add(name);
    if (this.passwords.size < MAX_PASSWORDS) this.passwords.add(field);
  }

  private holdsSecret(value: unknown): boolean {
    if (typeof value !== "string" || !value) return false;
    for (const field of this.passwords) if (field.value === value) return true;
    return isCard(value);
  }
}

/** Content that is, or is becoming, a card number. */
export function looksLikeCard(value: string): boolean {
  return CARD_PARTIAL.test(value.replace(/[\s.-]/g, "")) || isCard(value);
}

function isCard(text: string): boolean {
  for (const [found] of text.matchAll(CARD_WITHIN)) {
    if (passesLuhn(found.replace(/\D/g, ""))) return true;
  }
  return false;
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = at % 2 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return digits.length > 12 && sum % 10 === 0;
}

function isCodeBox(element: Element): boolean {
  if (attribute(element, "maxlength") !== "1") return false;
  const place = element.parentElement?.parentElement ?? element.parentElement;
  return (place?.querySelectorAll('input[maxlength="1"]').length ?? 0) >= CODE_BOXES;
}
