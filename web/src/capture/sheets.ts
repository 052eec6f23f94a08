// Style sheets that scripts edit. No event tells of it, and wrapping every method that can would put
// us into the page's own calls: so what a sheet holds is looked at now and then.
import type { Op } from "../ops";
import { laterRules } from "./css";
import { adoptedSheets } from "./dom";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";
import { adoptedTexts, type Serializer } from "./serialize";

/** Rules read again in one look, all sheets together: an edit within a rule is found by its text. */
const RULES_A_LOOK = 20;

/** Of a sheet of so many rules, each is known as it was sent; of a larger one as it was first seen. */
const KNOWN_RULES = 200;

/** How often it is looked whether rules are about something now. */
const LOOK_MS = 500;

interface Seen {
  sheet: CSSStyleSheet | null;
  disabled: boolean;
  media: string;
  length: number;
  first: CSSRule | undefined;
  last: CSSRule | undefined;
  texts: string[];
  cursor: number;
}

type Root = Document | ShadowRoot;

export class Sheets {
  private owners = new Map<Element, Seen>();
  private roots = new Map<Root, { list: CSSStyleSheet[]; seen: Seen[] }>();
  private budget = 0;
  private nextLookAt = 0;

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly serializer: Serializer,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    this.owners = new Map();
    this.roots = new Map();
  }

  watch(element: Element): void {
    this.owners.set(element, look(sheetOf(element)));
  }

  watchRoot(root: Root): void {
    const list = adoptedSheets(root);
    this.roots.set(root, { list, seen: list.map(look) });
  }

  /** Send an element's rules. */
  send(element: Element): void {
    const number = this.numbers.of(element);
    if (!this.owners.has(element) || !number) return;
    this.watch(element);
    const sheet = sheetOf(element);
    const text = sheet ? this.serializer.sheet(element, sheet) : "";
    this.op(["css", number, text], `css ${number}`);
  }

  /** Send all of them again: their rules are about more than they were. */
  private sendAll(): void {
    this.privacy.forgetWaiting();
    for (const element of this.owners.keys()) this.send(element);
    for (const { seen } of this.roots.values()) for (const one of seen) one.length = -1;
  }

  /** Look for edits. */
  sweep(): void {
    if (performance.now() > this.nextLookAt) {
      this.nextLookAt = performance.now() + LOOK_MS;
      if (this.privacy.hasCome()) this.sendAll();
    }
    this.budget = RULES_A_LOOK;
    for (const [element, seen] of this.owners) {
      if (!this.numbers.of(element)) this.owners.delete(element);
      else if (this.appended(element, seen)) this.sendMore(element, seen);
      else if (this.isOther(sheetOf(element), seen)) this.send(element);
    }
    for (const [root, { list, seen }] of this.roots) {
      const number = this.numbers.of(root);
      if (!number) {
        this.roots.delete(root);
        continue;
      }
      const now = adoptedSheets(root);
      const isSame =
        now.length === list.length &&
        list.every((sheet, at) => now[at] === sheet && !this.isOther(sheet, seen[at] as Seen));
      if (isSame) continue;
      this.watchRoot(root);
      const texts = adoptedTexts(root, this.privacy);
      this.op(["adopted", number, texts], `adopted ${number}`);
    }
  }

  /** Libraries that make their styles as they go only ever add rules. */
  private appended(element: Element, seen: Seen): boolean {
    const sheet = sheetOf(element);
    const rules = rulesOf(sheet);
    return (
      !!rules &&
      sheet === seen.sheet &&
      seen.length > 0 &&
      rules.length > seen.length &&
      !seen.disabled &&
      !seen.media &&
      rules[seen.length - 1] === seen.last &&
      rules[0] === seen.first
    );
  }

  private sendMore(element: Element, seen: Seen): void {
    const { sheet } = seen;
    const rules = rulesOf(sheet);
    if (!sheet || !rules) return;
    const text = laterRules(sheet, this.privacy, seen.length);
    seen.length = rules.length;
    seen.last = rules[rules.length - 1];
    this.op(["rules", this.numbers.of(element), text]);
    this.privacy.learn(text);
  }

  private isOther(sheet: CSSStyleSheet | null, seen: Seen): boolean {
    const rules = rulesOf(sheet);
    const isOther =
      sheet !== seen.sheet ||
      !!sheet?.disabled !== seen.disabled ||
      (sheet?.media.mediaText ?? "") !== seen.media ||
      (rules?.length ?? 0) !== seen.length ||
      rules?.[0] !== seen.first ||
      rules?.[seen.length - 1] !== seen.last;
    return isOther || (!!rules && this.hasOtherRule(rules, seen));
  }

  /** Some of the rules at each look, all of them in turn. */
  private hasOtherRule(rules: CSSRuleList, seen: Seen): boolean {
    for (let left = Math.min(rules.length, this.budget); left > 0; left--, this.budget--) {
      const at = seen.cursor++ % rules.length;
      const text = (rules[at] as CSSRule).cssText;
      const known = seen.texts[at];
      seen.texts[at] = text;
      if (known !== undefined && known !== text) return true;
    }
    return false;
  }
}

function sheetOf(element: Element): CSSStyleSheet | null {
  return (element as HTMLStyleElement).sheet;
}

function rulesOf(sheet: CSSStyleSheet | null): CSSRuleList | undefined {
  try {
    return sheet?.cssRules;
  } catch {
    return undefined; // another host's
  }
}

function look(sheet: CSSStyleSheet | null): Seen {
  const rules = rulesOf(sheet);
  const length = rules?.length ?? 0;
  return {
    sheet,
    disabled: !!sheet?.disabled,
    media: sheet?.media.mediaText ?? "",
    length,
    first: rules?.[0],
    last: rules?.[length - 1],
    texts: length <= KNOWN_RULES ? [...(rules ?? [])].map(({ cssText }) => cssText) : [],
    cursor: 0,
  };
}
