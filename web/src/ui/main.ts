// What visitors see of us: start button, terms and the bar of a running session. Loaded when the first
// of them is to be shown.
import type { CobrowseWindow, Internal, SessionShown, Ui, UiHandlers } from "../globals";
import type { AccountSettings } from "../wire";
import { type Words, wordsFor } from "../words";
import { element } from "./element";
import { Gestures } from "./gestures";
import { sheetFor } from "./style";

const COPIED_MS = 2_000;
/** Longer keys are somebody's id, not digits to be read aloud. */
const LONG_KEY = 12;

class VisitorUi implements Ui {
  private readonly host = document.createElement("cobrowse-visitor");
  private readonly root: ShadowRoot;
  private readonly words: Words;
  private button: HTMLButtonElement | undefined;
  private bar: SessionBar | undefined;
  private dialog: HTMLDialogElement | undefined;
  private accepted = () => {};
  private readonly gestures: Gestures;

  constructor(
    private readonly settings: AccountSettings,
    private readonly handlers: UiHandlers,
    internal: Internal,
    ignored: WeakSet<Node>,
  ) {
    const { closed, native } = internal;
    const wanted =
      settings.language === "auto"
        ? [document.documentElement.lang, ...navigator.languages]
        : [settings.language];
    const { language, words } = wordsFor(wanted);
    this.words = words;
    this.host.lang = language;
    this.host.dir = words.dir;
    const { attachShadow = Element.prototype.attachShadow } = native;
    this.root = attachShadow.call(this.host, { mode: "closed" });
    if (settings.share_interface) closed.set(this.host, this.root);
    else ignored.add(this.host);
    this.root.adoptedStyleSheets = [sheetFor(settings)];
    this.gestures = new Gestures(settings, attachShadow, ignored);
    // Nobody points at a page that does not show that it is watched.
    internal.point = (gesture) => this.bar && this.gestures.show(gesture);
  }

  get buttonShown(): boolean {
    return !!this.button && !this.button.hidden;
  }

  showButton(shown: boolean): void {
    if (!this.button) {
      this.button = element("button", {
        type: "button",
        className: "start main",
        textContent: this.settings.button.text || this.words.start,
        onclick: () => this.handlers.clickStart(),
      });
      this.root.append(this.button);
    }
    this.button.hidden = !shown;
    this.settle();
  }

  showTerms(accepted: () => void): void {
    // Asked for again, it starts what was asked for last.
    this.accepted = accepted;
    if (this.dialog) return;
    const { terms } = this.settings;
    const { words } = this;
    const text = terms.text || words.termsText;
    const title = element("h2", { id: "title" }, terms.title || words.termsTitle);
    const accept = element(
      "button",
      { type: "button", className: "main" },
      terms.accept || words.accept,
    );
    const decline = element(
      "button",
      { type: "button", className: "other" },
      terms.decline || words.decline,
    );
    const dialog = element(
      "dialog",
      { "aria-labelledby": "title" },
      title,
      ...text.split(/\n\s*\n/).map((paragraph) => element("p", {}, paragraph)),
      ...(terms.link ? [element("p", {}, this.link(terms.link, terms.link_text))] : []),
      element("div", { className: "choice" }, decline, accept),
    );
    accept.onclick = () => {
      dialog.close();
      this.accepted();
    };
    decline.onclick = () => dialog.close();
    // Escape closes it as well, and accepts nothing.
    dialog.onclose = () => {
      dialog.remove();
      this.dialog = undefined;
      this.settle();
    };
    this.dialog = dialog;
    this.root.append(dialog);
    this.settle();
    dialog.showModal();
    accept.focus();
  }

  showSession(session: SessionShown | undefined): void {
    if (!session) {
      this.bar?.remove();
      this.bar = undefined;
      this.gestures.clear();
    } else {
      this.bar ??= new SessionBar(this.root, this.words, () => this.handlers.clickStop());
      this.bar.show(session);
    }
    this.settle();
  }

  private link(href: string, text: string): HTMLAnchorElement {
    const words = text || this.words.termsLink;
    return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, words);
  }

  /** Be in the page only while there is something to see, behind everything else in it. */
  private settle(): void {
    if (this.buttonShown || this.bar || this.dialog) {
      if (!this.host.isConnected) document.documentElement.append(this.host);
    } else {
      this.host.remove();
    }
  }
}

/** What is to be seen while a session runs. */
class SessionBar {
  private readonly border = element("div", { className: "border" });
  private readonly state = element("span", { role: "status" });
  private readonly key = element("output", { id: "key" });
  private readonly keyBox: HTMLElement;
  private readonly bar: HTMLElement;
  private readonly toggle = element("button", { type: "button", className: "toggle other" });

  constructor(
    root: ShadowRoot,
    private readonly words: Words,
    stop: () => void,
  ) {
    const copy = element("button", { type: "button", className: "copy other" }, words.copy);
    copy.onclick = async () => {
      copy.textContent = (await this.copyKey()) ? words.copied : words.copy;
      setTimeout(() => {
        copy.textContent = words.copy;
      }, COPIED_MS);
    };
    const label = element("label", { htmlFor: "key" }, words.key);
    this.keyBox = element("div", { className: "key" }, label, this.key, copy);
    this.bar = element(
      "section",
      { className: "bar", "aria-label": words.sharing },
      element("div", { className: "told" }, element("strong", {}, words.sharing), this.state),
      this.keyBox,
      this.toggle,
      element("button", { type: "button", className: "end main", onclick: stop }, words.end),
    );
    this.toggle.onclick = () => this.resize(!this.bar.classList.contains("small"));
    this.resize(remembered("get") === "small");
    root.append(this.border, this.bar);
  }

  /** The bar may stand on something that the visitor needs. */
  private resize(small: boolean): void {
    this.bar.classList.toggle("small", small);
    this.toggle.textContent = small ? "+" : "–";
    this.toggle.title = small ? this.words.more : this.words.less;
    this.toggle.setAttribute("aria-label", this.toggle.title);
    this.toggle.setAttribute("aria-expanded", String(!small));
    remembered("set", small ? "small" : "");
  }

  show({ key, agents, reconnecting }: SessionShown): void {
    this.key.textContent = key;
    this.key.classList.toggle("long", key.length > LONG_KEY);
    const { words } = this;
    const watching = words.watching.replace("{names}", () => agents.join(", "));
    const text = reconnecting ? words.reconnecting : agents.length ? watching : words.waiting;
    if (this.state.textContent !== text) this.state.textContent = text;
  }

  remove(): void {
    this.border.remove();
    this.bar.remove();
  }

  /** By the old way where the page is not secure: there is no clipboard then. */
  private async copyKey(): Promise<boolean> {
    const text = this.key.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const field = element("textarea", { value: text, readOnly: true });
      this.keyBox.append(field);
      field.select();
      const copied = document.execCommand("copy");
      field.remove();
      return copied;
    }
  }
}

/** The size that the visitor has chosen, as long as the tab lives. */
function remembered(what: "get" | "set", value = ""): string {
  try {
    if (what === "set") sessionStorage.setItem("cobrowse_bar", value);
    return sessionStorage.getItem("cobrowse_bar") ?? "";
  } catch {
    return ""; // a page without storage
  }
}

const internal = (window as CobrowseWindow).GLANCE?.Cobrowse?._internal;
if (internal) {
  internal.startUi = (settings, handlers, { ignored }) =>
    new VisitorUi(settings, handlers, internal, ignored);
}
