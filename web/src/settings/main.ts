// The settings page: rows, the preview, and what is tried before it is saved.
import { isTrusted } from "../trusted";
import { showTrial } from "./trial";

const DELAY_MS = 250;

function find<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id} in the page`);
  return found as T;
}

const form = find<HTMLFormElement>("form");
const path = document.querySelector<HTMLElement>("main")?.dataset.path ?? "";
const preview = find<HTMLIFrameElement>("preview");

function filled(): URLSearchParams {
  // What is disabled is part of no form, and is to be tried all the same.
  const disabled = [...form.querySelectorAll<HTMLFieldSetElement>("fieldset:disabled")];
  for (const fieldset of disabled) fieldset.disabled = false;
  const data = new FormData(form);
  for (const fieldset of disabled) fieldset.disabled = true;
  return new URLSearchParams([...data].map(([name, value]) => [name, String(value)]));
}

// -- the form --------------------------------------------------------------------------------------

form.addEventListener("click", ({ target }) => {
  const button = (target as Element).closest("button");
  if (button?.classList.contains("add")) {
    const group = button.parentElement as HTMLElement;
    const row = group.querySelector("template")?.content.cloneNode(true) as DocumentFragment;
    const rows = group.querySelector(".rows") as HTMLElement;
    rows.append(row);
    rows.lastElementChild?.querySelector("input")?.focus();
  } else if (button?.classList.contains("remove")) {
    const row = button.closest(".row") as HTMLElement;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    const add = row.closest("[role=group]")?.querySelector<HTMLElement>(".add");
    (next?.querySelector<HTMLElement>(".remove") ?? add)?.focus();
    row.remove();
    changed();
  }
});

for (const field of form.querySelectorAll<HTMLInputElement>(".colours input[type=color]")) {
  const text = field.previousElementSibling as HTMLInputElement;
  field.addEventListener("input", () => {
    text.value = field.value;
    changed();
  });
}

let isDirty = false;
let timer: ReturnType<typeof setTimeout> | undefined;

function changed(): void {
  isDirty = true;
  const note = document.getElementById("unsaved");
  if (note && !note.textContent) note.textContent = "Not saved yet";
  clearTimeout(timer);
  timer = setTimeout(() => {
    void showPreview();
    trial.mark();
    judgeDomain();
  }, DELAY_MS);
}

form.addEventListener("input", changed);
form.addEventListener("submit", () => {
  isDirty = false;
});
addEventListener("beforeunload", (event) => {
  if (isDirty) event.preventDefault();
});

// -- the preview -------------------------------------------------------------------------------------

let termsAsked = 0;
let ready: Promise<void> = Promise.resolve();

function showPreview(): Promise<void> {
  ready = ready.then(async () => {
    const note = find("previewed");
    try {
      const answer = await fetch(`${path}/preview`, { method: "POST", body: filled() });
      const { problems = {} } = (await answer.json()) as { problems?: Record<string, string> };
      const names = Object.keys(problems);
      note.textContent = names.length ? `Not shown before it is right: ${names.join(", ")}` : "";
      if (names.length) return;
    } catch {
      note.textContent = "The preview cannot be shown now.";
      return;
    }
    await new Promise<void>((done) => {
      preview.addEventListener("load", () => done(), { once: true });
      preview.src = `${path}/preview/`;
    });
  });
  return ready;
}

find("show-terms").addEventListener("click", async () => {
  await ready;
  // The frame has no origin that a message could name.
  preview.src = `${path}/preview/#terms-${++termsAsked}`;
});

// -- what is tried ------------------------------------------------------------------------------------

const trial = showTrial(
  {
    form: find<HTMLFormElement>("trial"),
    url: find<HTMLInputElement>("trial-url"),
    selector: find<HTMLInputElement>("trial-selector"),
    found: find("trial-found"),
    list: find("trial-list"),
    frame: find<HTMLIFrameElement>("trial-page"),
  },
  `${path}/trial`,
  () => filled().getAll("masked_elements.selector").filter(Boolean),
);

const domain = find<HTMLInputElement>("domain-url");

function judgeDomain(): void {
  const answer = find("domain-answer");
  const text = domain.value.trim();
  answer.textContent = text ? judge(text) : "";
}

function judge(address: string): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return "This is no address: it begins with https://.";
  }
  const domains = (filled().get("trusted_domains") ?? "").split("\n").filter((line) => line.trim());
  if (isTrusted(url.origin, domains)) return `Trusted: ${url.origin} may call.`;
  const secure = url.protocol === "https:" || isTrusted(url.origin.replace(/^http:/, "https:"), []);
  if (!secure && isTrusted(`https://${url.host}`, domains)) {
    return "Not trusted: it must come by https.";
  }
  if (!domains.length) return "Not trusted: no domain is.";
  return `Not trusted: none of the domains is ${url.host}, or stands above it as *.domain.`;
}

domain.addEventListener("input", judgeDomain);
document.getElementById("problems")?.focus();
