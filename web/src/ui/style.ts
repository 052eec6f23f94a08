// How everything that visitors see of us looks.
import type { AccountSettings } from "../wire";

const RADIUS = { pill: "999px", rounded: "10px", square: "2px" } as const;

export function sheetFor({ button }: AccountSettings): CSSStyleSheet {
  const [block, inline] = button.corner.split("-") as ["top" | "bottom", "left" | "right"];
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
:host {
  /* The page's own rules about all elements would come first, even its important ones. */
  all: initial !important; position: fixed !important; inset: 0 !important;
  z-index: 2147483647 !important; pointer-events: none !important; color: #1d2733 !important;
  font: 15px/1.4 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif !important;
  --own: ${button.background}; --on-own: ${button.color};
}
:host([hidden]) { display: none !important; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button {
  min-height: 40px; padding: 8px 18px; border: 1px solid transparent; border-radius: 8px;
  font: inherit; font-weight: 600; cursor: pointer; pointer-events: auto;
  transition: filter 120ms ease-out;
}
button:hover { filter: brightness(0.92); }
button:focus-visible, a:focus-visible { outline: 3px solid var(--own); outline-offset: 2px; }
.main { color: var(--on-own); background: var(--own); border-color: rgb(255 255 255 / 40%); }
.other { color: #1d2733; background: #fff; border-color: #8996a5; }
.start {
  position: fixed; ${block}: 20px; ${inline}: 20px; max-width: calc(100vw - 40px);
  min-height: 48px; border-radius: ${RADIUS[button.shape]};
  box-shadow: 0 0 0 1px rgb(255 255 255 / 55%), 0 4px 16px rgb(0 0 0 / 28%);
}
.border { position: fixed; inset: 0; border: 4px solid var(--own); }
.bar {
  position: fixed; bottom: 16px; inset-inline: 0; margin-inline: auto; width: fit-content;
  max-width: calc(100vw - 24px); display: flex; flex-wrap: wrap; align-items: center;
  gap: 6px 18px; padding: 10px 12px 10px 20px; pointer-events: auto;
  color: #1d2733; background: #fff; border: 1px solid #c5ced8; border-radius: 14px;
  box-shadow: 0 6px 24px rgb(0 0 0 / 26%);
}
.bar:dir(rtl) { padding: 10px 20px 10px 12px; }
.told { display: grid; }
.told strong { font-weight: 600; }
.told span { color: #4d5b6a; font-size: 13px; }
.key { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; }
.key label { color: #4d5b6a; font-size: 13px; }
.key output {
  font: 700 26px/1.2 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  letter-spacing: 0.06em; overflow-wrap: anywhere; user-select: all;
}
.key output.long { font-size: 16px; letter-spacing: 0; }
.toggle { min-width: 40px; padding: 0 8px; font-size: 20px; line-height: 1; }
.small { gap: 10px; padding: 6px; }
.small .told strong, .small .key { display: none; }
.small .told { padding-inline-start: 10px; }
.copy { min-height: 34px; padding: 4px 12px; font-size: 13px; }
dialog {
  width: min(480px, calc(100vw - 32px)); max-height: calc(100vh - 32px); margin: auto; padding: 24px;
  color: #1d2733; background: #fff; border: 0; border-radius: 14px; overflow: auto;
  font: inherit; pointer-events: auto; box-shadow: 0 12px 48px rgb(0 0 0 / 40%);
}
dialog::backdrop { background: rgb(10 18 28 / 55%); }
h2 { margin: 0 0 12px; font-size: 20px; line-height: 1.3; }
p { margin: 0 0 12px; }
a { color: #0b5cad; }
.choice { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 10px; margin-top: 20px; }
@media (max-width: 480px) {
  .bar { width: auto; inset-inline: 8px; bottom: 8px; max-width: none; }
  .bar .end { flex: 1; }
  .key label { flex-basis: 100%; }
  .choice button { flex: 1; }
}
@media (prefers-reduced-motion: reduce) { button { transition: none; } }
@media (forced-colors: active) { button, .bar, dialog { border: 1px solid CanvasText; } }
@media print { .start, .border, .bar { display: none; } }
`);
  return sheet;
}
