// Fields that hide their content whatever the rules say: passwords, cards, one-time codes.
import { around, attribute, localName, passwordsIn } from "./dom";

const AUTOCOMPLETE = /(?:^|\s)(?:cc-|current-password|new-password|one-time-code)/i;
const NAME = new RegExp(
  [
    "pass(?:word|wd|wort|phrase|code)|(?:^|[^a-z])pass(?:$|[^a-z])|pwd|kennwort|psw|wachtwoord",
    "mot.?de.?passe|contrase|(?:^|[^a-z])(?:senha|parola|haslo|heslo|sifre)(?:$|[^a-z])",
    "cvv|cvc|cvn|card[^a-z]?code|csc(?:$|[^a-z])|security[^a-z]?code|(?:card|cc)[^a-z]?(?:no|num)",
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
/** Of so few characters many texts have some in them. */
const SHORT = 4;
/** Digits in groups, whatever stands between these. */
const DIGITS = /\d(?:[^\p{L}\p{N}]{0,4}\d){7,}/gu;
const CARD_BEGUN = /^(?:[3-6]|2[2-7])/;
const CARD_LENGTHS = [13, 19] as const;
const MAX_DIGITS = 5_000;
/** Longer texts are looked through once. */
const LONG_TEXT = 500;
const MAX_VERDICTS = 20;

/** Fields that were secret once stay so, whatever the page makes of them later. */
export class Secrets {
  private readonly known: WeakSet<Node>;
  /** Password fields and what was in them last: a page may copy it into a field of another kind. */
  private readonly passwords = new Map<HTMLInputElement, string>();
  private readonly names = new Set<string>();
  private readonly looks = new WeakMap<Element, { look: string; isDotted: boolean }>();

  /** known: fields that were a password before a session began. */
  constructor(known: WeakSet<Node>) {
    this.known = known;
  }

  isSecret(element: Element): boolean {
    if (this.known.has(element)) {
      this.note(element as HTMLInputElement);
      return true;
    }
    const tag = localName(element);
    if (tag === "select") {
      const name = `${attribute(element, "name") ?? ""} ${attribute(element, "id") ?? ""}`;
      return AUTOCOMPLETE.test(attribute(element, "autocomplete") ?? "") || NAME.test(words(name));
    }
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

  /** Know the passwords in a part of the page before what stands before them is read. */
  lookFor(place: Element | Document): void {
    for (const field of passwordsIn(place)) this.isSecret(field);
  }

  private remember(element: Element): void {
    this.known.add(element);
    const field = element as HTMLInputElement;
    if (attribute(field, "type")?.toLowerCase() !== "password") return;
    const name = attribute(field, "name");
    if (name) this.names.add(name);
    if (this.passwords.size < MAX_PASSWORDS) this.passwords.set(field, contentOf(field));
  }

  private note(field: HTMLInputElement): void {
    const content = contentOf(field);
    if (content && this.passwords.has(field)) this.passwords.set(field, content);
  }

  /** Whether a text has a password of this page in it, or a card number. */
  holdsSecret(value: unknown): boolean {
    if (typeof value !== "string" || !value) return false;
    for (const [field, last] of this.passwords) {
      this.note(field);
      for (const secret of [contentOf(field), last]) {
        if (secret.length < SHORT ? secret && value === secret : value.includes(secret))
          return true;
      }
    }
    return isCard(value);
  }
}

/** Custom elements may have no value. */
function contentOf(field: HTMLInputElement): string {
  const value: unknown = field.value;
  return typeof value === "string" ? value : (attribute(field, "value") ?? "");
}

/** Content that is, or is becoming, a card number. */
export function looksLikeCard(value: string): boolean {
  return remembered(`begun ${value}`, () =>
    runs(value).some((run) => isBegun(run) || holdsCard(digitsOf(run))),
  );
}

function isCard(text: string): boolean {
  return remembered(`whole ${text}`, () => runs(text).some((run) => holdsCard(digitsOf(run))));
}

/** A number may begin behind any gap. */
function isBegun(run: string): boolean {
  const groups = run.split(/\D+/);
  return groups.some((_, at) => {
    const rest = groups.slice(at, at + 8).join("");
    return rest.length >= 8 && CARD_BEGUN.test(rest);
  });
}

const verdicts = new Map<string, boolean>();

/** Of long texts, which are asked about again and again. */
function remembered(text: string, judge: () => boolean): boolean {
  if (text.length < LONG_TEXT) return judge();
  const verdict = verdicts.get(text) ?? judge();
  verdicts.delete(text);
  verdicts.set(text, verdict);
  for (const oldest of verdicts.keys()) {
    if (verdicts.size <= MAX_VERDICTS) break;
    verdicts.delete(oldest);
  }
  return verdict;
}

function digitsOf(run: string): string {
  return run.replace(/\D/g, "").slice(0, MAX_DIGITS);
}

/** Groups of eight digits or more with what stands between them, digits of other scripts as ours. */
function runs(text: string): string[] {
  if (!/\p{Nd}/u.test(text)) return [];
  const plain = text
    .normalize("NFKC")
    .replace(/\P{ASCII}/gu, (character) =>
      /\p{Nd}/u.test(character) ? String(digitOf(character)) : character,
    );
  return plain.match(DIGITS) ?? [];
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
