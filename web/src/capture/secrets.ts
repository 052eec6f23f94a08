// Fields that hide their content whatever the rules say: passwords, cards, one-time codes.
import { around, attribute, localName } from "./dom";

const AUTOCOMPLETE = /(?:^|\s)(?:cc-|current-password|new-password|one-time-code)/i;
const NAME = new RegExp(
  [
    "pass(?:word|wd|phrase|code)|(?:^|[^a-z])pass(?:$|[^a-z])|pwd",
    "cvv|cvc|csc(?:$|[^a-z])|security[^a-z]?code|(?:card|cc)[^a-z]?(?:no|num)",
    "(?:^|[^a-z])(?:pin|tan|ssn|otp|totp|mfa)(?:$|[^a-z])|one[^a-z]?time",
    "(?:verif[a-z]*|auth[a-z]*|sms|confirm[a-z]*)[^a-z]?code",
  ].join("|"),
  "i",
);
/** As many boxes for a few characters each in one place are a code or a card number. */
const CODE_BOXES = 4;
const BOX_LENGTH = /^[1-4]$/;
/** How far around the boxes are looked for. */
const BOX_LEVELS = 4;
const MAX_PASSWORDS = 100;
/** Digits in groups, whatever stands between these. */
const DIGITS = /\d(?:[\s\p{Pd}\p{Cf}._/|]{0,3}\d){7,}/gu;
const CARD_BEGUN = /^(?:[3-6]|2[2-7])/;
const CARD_LENGTHS = [13, 19] as const;
const MAX_DIGITS = 200;

/** Fields that were secret once stay so, whatever the page makes of them later. */
export class Secrets {
  private readonly known: WeakSet<Node>;
  /** Password fields: a page may copy their content into a field of another kind. */
  private readonly passwords = new Set<HTMLInputElement>();
  private readonly names = new Set<string>();
  private readonly looks = new WeakMap<Element, { look: string; isDotted: boolean }>();

  /** known: fields that were a password before a session began. */
  constructor(known: WeakSet<Node>) {
    this.known = known;
  }

  isSecret(element: Element): boolean {
    if (this.known.has(element)) return true;
    const tag = localName(element);
    if (tag === "select") return AUTOCOMPLETE.test(attribute(element, "autocomplete") ?? "");
    if (tag !== "input" && tag !== "textarea" && !tag.includes("-")) return false;
    const name = attribute(element, "name") ?? "";
    const secret =
      attribute(element, "type")?.toLowerCase() === "password" ||
      AUTOCOMPLETE.test(attribute(element, "autocomplete") ?? "") ||
      NAME.test(words(`${name} ${attribute(element, "id") ?? ""}`)) ||
      (!!name && this.names.has(name)) ||
      isCodeBox(element) ||
      (tag === "input" && this.isDotted(element)) ||
      this.holdsSecret((element as HTMLInputElement).value);
    if (secret) this.remember(element);
    return secret;
  }

  /** This is secret from now on. */
  add(element: Element): void {
    this.known.add(element);
  }

  /** Whether the page shows dots for what is typed: it takes that for a secret. */
  private isDotted(element: Element): boolean {
    // Styles are asked for only when they may have changed: each time is work for the browser.
    const look = `${attribute(element, "class")} ${attribute(element, "style")}`;
    const known = this.looks.get(element);
    if (known?.look === look) return known.isDotted;
    const security = getComputedStyle(element).getPropertyValue("-webkit-text-security");
    const isDotted = security !== "" && security !== "none";
    this.looks.set(element, { look, isDotted });
    return isDotted;
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
  return runs(value).some((digits) => CARD_BEGUN.test(digits) || holdsCard(digits));
}

function isCard(text: string): boolean {
  return runs(text).some(holdsCard);
}

/** The digits of each group of eight or more, those of other scripts as ours. */
function runs(text: string): string[] {
  if (!/\p{Nd}/u.test(text)) return [];
  const plain = text
    .normalize("NFKC")
    .replace(/\P{ASCII}/gu, (character) =>
      /\p{Nd}/u.test(character) ? String(digitOf(character)) : character,
    );
  return (plain.match(DIGITS) ?? []).map((run) => run.replace(/\D/g, "").slice(0, MAX_DIGITS));
}

/** Each script's digits stand in a row, from zero to nine. */
function digitOf(character: string): number {
  const code = character.codePointAt(0) as number;
  let zero = code;
  while (zero > code - 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return code - zero;
}

function holdsCard(digits: string): boolean {
  const [shortest, longest] = CARD_LENGTHS;
  for (let from = 0; from + shortest <= digits.length; from++) {
    for (let length = shortest; length <= longest && from + length <= digits.length; length++) {
      if (passesLuhn(digits.slice(from, from + length))) return true;
    }
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
  return sum % 10 === 0;
}

function isCodeBox(element: Element): boolean {
  if (!BOX_LENGTH.test(attribute(element, "maxlength") ?? "")) return false;
  const own = attribute(element, "maxlength");
  let place = element;
  for (let level = 0; level < BOX_LEVELS; level++) {
    const outside = around(place);
    if (!outside) return false;
    place = outside;
    if (boxesIn(place, `input[maxlength="${own}"]`) >= CODE_BOXES) return true;
  }
  return false;
}

/** Boxes in a place, those in shadow trees of its own children too. */
function boxesIn(place: Element, selector: string): number {
  let found = place.querySelectorAll(selector).length;
  for (const child of place.children) {
    found += child.shadowRoot?.querySelectorAll(selector).length ?? 0;
  }
  return found;
}

/** Names of several words, each by itself. */
function words(name: string): string {
  return name.replace(/([a-z\d])([A-Z])/g, "$1-$2");
}
