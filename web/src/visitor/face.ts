// What visitors see of us, as far as it is needed: its script and the group's settings come with the
// first thing to be shown.
import type { Internal, SessionShown, Ui, UiHandlers } from "../globals";
import { fromJson, NativePromise, nativeFetch } from "../native";
import type { AccountSettings } from "../wire";

export class Face {
  private settings: Promise<AccountSettings | undefined> | undefined;
  private ui: Promise<Ui | undefined> | undefined;
  private buttonWanted = false;
  private session: SessionShown | undefined;

  constructor(
    private readonly internal: Internal,
    private readonly integrity: string,
    private readonly handlers: UiHandlers,
    private readonly ignored: WeakSet<Node>,
    private readonly failed: () => void,
  ) {}

  /** The group's settings; undefined where they are not to be had now. */
  async account(): Promise<AccountSettings | undefined> {
    this.settings ??= this.fetchSettings();
    const settings = await this.settings;
    if (!settings) this.settings = undefined;
    return settings;
  }

  get buttonShown(): boolean {
    return this.buttonWanted;
  }

  showButton(shown: boolean): void {
    this.buttonWanted = shown;
    void this.show();
  }

  /** accepted: is given the version of the terms that were shown. */
  async showTerms(accepted: (terms: string) => void): Promise<void> {
    const ui = await this.load();
    const terms = (await this.account())?.terms_version ?? "";
    ui?.showTerms(() => accepted(terms));
  }

  /** Undefined when none runs. */
  showSession(session: SessionShown | undefined): void {
    this.session = session;
    void this.show();
  }

  /** Bring what is to be seen to what it should be. */
  private async show(): Promise<void> {
    const isShown = () => this.session || this.buttonWanted;
    if (!isShown() && !this.ui) return;
    const ui = await this.load();
    if (!ui) return;
    ui.showSession(this.session);
    if (this.buttonWanted || ui.buttonShown) ui.showButton(this.buttonWanted && !this.session);
  }

  private async load(): Promise<Ui | undefined> {
    this.ui ??= this.start();
    const ui = await this.ui;
    if (!ui) {
      this.ui = undefined; // the next call tries again
      this.failed();
    }
    return ui;
  }

  private async start(): Promise<Ui | undefined> {
    const { internal } = this;
    const version = encodeURIComponent(this.integrity.slice(-16));
    const script = new NativePromise<void>((done) => {
      internal.insert(`ui.js?v=${version}`, done, internal.config.integrity && this.integrity);
    });
    const [settings] = await NativePromise.all([this.account(), script]);
    return (
      settings &&
      internal.startUi?.(settings, this.handlers, {
        passwords: new WeakSet(),
        ignored: this.ignored,
      })
    );
  }

  private async fetchSettings(): Promise<AccountSettings | undefined> {
    const { base, group, site } = this.internal.config;
    const query = new URLSearchParams({ group, site });
    const url = new URL(`${base}settings?${query}`, location.origin);
    try {
      const response = await nativeFetch(url, { credentials: "omit" });
      return response.ok ? (fromJson(await response.text()) as AccountSettings) : undefined;
    } catch {
      return undefined;
    }
  }
}
