// A page of the site in a frame where nothing of it runs, and what selectors would hide of it.

const MOST_LISTED = 20;
const MARK = "data-cobrowse-hidden";
const LOOK = `[${MARK}] { outline: 3px solid #c2185b !important; outline-offset: -1px !important;
  background: repeating-linear-gradient(45deg, #f8bbd0 0 8px, #fce4ec 8px 16px) !important;
  color: transparent !important; } [${MARK}] * { visibility: hidden !important; }`;

export interface TrialParts {
  form: HTMLFormElement;
  url: HTMLInputElement;
  /** Empty: the selectors of the settings. */
  selector: HTMLInputElement;
  found: HTMLElement;
  list: HTMLElement;
  frame: HTMLIFrameElement;
}

/** address: where to ask for pages. selectors: those of the settings. */
export function showTrial(
  { form, url, selector, found, list, frame }: TrialParts,
  address: string,
  selectors: () => string[],
): { mark(): void } {
  function mark(): void {
    const page = frame.contentDocument;
    if (frame.hidden || !page?.body) return;
    for (const element of page.querySelectorAll(`[${MARK}]`)) element.removeAttribute(MARK);
    const typed = selector.value.trim();
    const hidden = new Set<Element>();
    const wrong: string[] = [];
    for (const one of typed ? [typed] : selectors()) {
      try {
        for (const element of page.querySelectorAll(one)) hidden.add(element);
      } catch {
        wrong.push(one);
      }
    }
    for (const element of hidden) element.setAttribute(MARK, "");
    const count = hidden.size === 1 ? "1 element" : `${hidden.size} elements`;
    const problem = wrong.length ? ` No selector: ${wrong.join(", ")}` : "";
    found.textContent = `${count} of this page would be hidden.${problem}`;
    found.classList.toggle("wrong", wrong.length > 0);
    list.replaceChildren(...[...hidden].slice(0, MOST_LISTED).map(describe));
    const more = hidden.size - MOST_LISTED;
    if (more > 0) list.append(item(`and ${more} more`));
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    found.classList.remove("wrong");
    found.textContent = "Fetching the page …";
    list.replaceChildren();
    try {
      const body = new URLSearchParams({ url: url.value });
      const answer = await fetch(address, { method: "POST", body });
      const { html, problem } = (await answer.json()) as { html?: string; problem?: string };
      if (html === undefined) throw new Error(problem);
      frame.hidden = false;
      frame.addEventListener(
        "load",
        () => {
          const page = frame.contentDocument;
          if (page?.body) {
            const style = page.createElement("style");
            style.textContent = LOOK;
            page.documentElement.append(style);
            page.body.inert = true; // its links lead away from what is tried
          }
          mark();
        },
        { once: true },
      );
      frame.srcdoc = html;
    } catch (error) {
      frame.hidden = true;
      found.classList.add("wrong");
      found.textContent = (error as Error).message || "The page cannot be shown now.";
    }
  });
  selector.addEventListener("input", mark);
  return { mark };
}

function describe(element: Element): HTMLElement {
  const id = element.id ? `#${element.id}` : "";
  const classes = [...element.classList].map((name) => `.${name}`).join("");
  const text = (element.textContent ?? "").replace(/\s+/g, " ").trim();
  return item(
    `${element.localName}${id}${classes}`,
    text.length > 40 ? `${text.slice(0, 40)} …` : text,
  );
}

function item(name: string, text = ""): HTMLElement {
  const line = document.createElement("li");
  const code = document.createElement("code");
  code.textContent = name;
  line.append(code, text && ` ${text}`);
  return line;
}
