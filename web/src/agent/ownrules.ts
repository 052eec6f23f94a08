// Rules of ours in each of the copy's documents.
import { MARK } from "./sheets";

export const HIDDEN_TEXT = "cobrowse-hidden";
export const HIDDEN_LINE = "cobrowse-line";

const OWN_RULES = `
noscript { display: none !important }
video:not([controls])::-webkit-media-controls { display: none !important }
[${MARK}fullscreen] { position: fixed !important; inset: 0 !important; z-index: 2147483647 !important;
  box-sizing: border-box !important; width: 100% !important; height: 100% !important;
  min-width: 0 !important; max-width: none !important; min-height: 0 !important;
  max-height: none !important; margin: 0 !important; transform: none !important; object-fit: contain }
:root:has([${MARK}fullscreen]) { overflow: hidden !important }
@layer cobrowse {
  [${MARK}focus-visible] { outline: auto 1px -webkit-focus-ring-color }
  a[${MARK}focus-visible] { outline-offset: 1px }
  :focus-visible:not([${MARK}focus-visible]) { outline: none }
  a[${MARK}active] { color: -webkit-activelink }
  ::selection { color: HighlightText; background-color: Highlight }
}
${HIDDEN_TEXT} { white-space: inherit }
${HIDDEN_LINE} { display: inline-block; opacity: 0.3;
  background: linear-gradient(currentColor, currentColor) center / 100% 0.7em no-repeat }
`;
/** What holds in a document or shadow tree. bars: width of the visitor's scrollbars, if it is known. */
export function ownRules(bars: number | undefined): string {
  return OWN_RULES + scrollbars(bars);
}

/** The visitor's scrollbars take this much of the page's room. */
function scrollbars(width: number | undefined): string {
  if (width === undefined) return "";
  const size = `${Number(width)}px`;
  return `@layer cobrowse {
    ::-webkit-scrollbar { width: ${size}; height: ${size}; background: #fafafa }
    ::-webkit-scrollbar-thumb { background: #c1c1c1; border: 4px solid #fafafa; border-radius: 8px }
  }`;
}
