// What the visitor's browser and machine are like, as far as style sheets ask: the agent's are others, so
// the answers leave in the place of the questions.

const FEATURE =
  /\(\s*(?:(?:min-|max-)?resolution|-webkit-(?:min-|max-)?device-pixel-ratio|(?:any-)?(?:hover|pointer)|prefers-[\w-]+|forced-colors|inverted-colors|(?:min-|max-)?color(?:-gamut)?|(?:video-)?dynamic-range|display-mode|scripting|update|(?:min-|max-)?device-(?:width|height))(?![\w-])[^()]*(?:\([^()]*\)[^()]*)?\)/gi;
const MEDIA = /@media[^{;]*/gi;
const SCHEME = /(?<![\w-])color-scheme\s*:\s*([^;}]+)/gi;
const YES = "(width >= 0px)";
const NO = "(width < 0px)";
const DARK = "(prefers-color-scheme: dark)";

export class Media {
  private readonly asked = new Map<string, MediaQueryList>();

  /** changed: an answer that has left is another one now. */
  constructor(
    private readonly changed: () => void,
    private readonly life: AbortSignal,
  ) {}

  /** A style text with the answers in it. */
  answered(text: string): string {
    let out = text;
    if (/@media/i.test(out)) out = out.replace(MEDIA, (query) => this.query(query));
    if (/color-scheme/i.test(out)) {
      out = out.replace(SCHEME, (_, value: string) => `color-scheme: ${this.scheme(value)}`);
    }
    return out;
  }

  /** A media query with the answers in it. */
  query(text: string): string {
    return text.replace(FEATURE, (feature) => (this.matches(feature) ? YES : NO));
  }

  /** Of several schemes that a page can do, the one that the visitor sees. */
  scheme(value: string): string {
    if (!/\blight\b/i.test(value) || !/\bdark\b/i.test(value)) return value;
    const important = /!\s*important/i.test(value) ? " !important" : "";
    return (this.matches(DARK) ? "dark" : "light") + important;
  }

  private matches(feature: string): boolean {
    let list = this.asked.get(feature);
    if (!list) {
      list = matchMedia(feature);
      EventTarget.prototype.addEventListener.call(list, "change", this.changed, {
        signal: this.life,
      });
      this.asked.set(feature, list);
    }
    return list.matches;
  }
}

/** Boxes that are looked at for a scrollbar. */
const MAX_BOXES = 300;
/** Thinner than any scrollbar that takes room, thicker than what rounding leaves. */
const MIN_BAR_PX = 4;

/** How wide scrollbars are, in CSS pixels; undefined where there is none to measure. */
export function scrollbarWidth(): number | undefined {
  const root = document.documentElement;
  if (!root) return undefined;
  if (root.scrollHeight > root.clientHeight && getComputedStyle(root).overflowY !== "hidden") {
    return innerWidth - root.clientWidth;
  }
  const boxes = document.querySelectorAll<HTMLElement>("div,main,section,ul,textarea");
  for (let at = 0; at < Math.min(boxes.length, MAX_BOXES); at++) {
    const { offsetWidth, clientWidth, clientLeft } = boxes[at] as HTMLElement;
    const bar = offsetWidth - clientWidth - 2 * clientLeft;
    if (clientWidth && bar >= MIN_BAR_PX) return bar;
  }
  return undefined;
}
