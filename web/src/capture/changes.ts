// What the page's mutations mean for the copy. A node that moves is taken out and made again, as the
// page's own browser does with what is in it.
import type { Op, Tree } from "../ops";
import { shownAttribute } from "./attributes";
import * as dom from "./dom";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";
import type { Serializer } from "./serialize";

/** How long one batch of additions may keep the page waiting; the rest follows in slices. */
const SLICE_MS = 30;

export interface Reports {
  op(op: Op, about?: string): void;
  /** A style or link element's rules may be others. */
  sheet(element: Element): void;
  picture(element: Element): void;
  field(element: Element): void;
  /** Every document and shadow tree that the copy has. */
  roots(): Iterable<Document | ShadowRoot>;
  /** A document is another one now, perhaps in another layout mode. */
  document(page: Document): void;
}

const PREFIXES: { [namespace: string]: string } = {
  "http://www.w3.org/1999/xlink": "xlink:",
  "http://www.w3.org/XML/1998/namespace": "xml:",
};

/** Records have the name without what stands before it. */
function qualifiedName({ attributeName, attributeNamespace }: MutationRecord): string {
  return (PREFIXES[attributeNamespace ?? ""] ?? "") + attributeName;
}

export class Changes {
  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly serializer: Serializer,
    private readonly closed: WeakMap<Element, ShadowRoot>,
    private readonly reports: Reports,
  ) {}

  apply(records: readonly MutationRecord[]): void {
    const gone = new Set<Node>();
    const came = new Set<Node>();
    const texts = new Set<Text>();
    const attributes = new Map<Element, Set<string>>();
    const sheets = new Set<Element>();
    const hosts = new Set<Element>();
    for (const record of records) {
      const { target } = record;
      if (record.type !== "characterData") this.noteSlots(record, hosts);
      if (record.type === "characterData") {
        const parent = dom.parentNode(target);
        if (parent && dom.localName(parent as Element) === "style") sheets.add(parent as Element);
        else texts.add(target as Text);
      } else if (record.type === "attributes") {
        const names = attributes.get(target as Element) ?? new Set();
        names.add(qualifiedName(record));
        attributes.set(target as Element, names);
      } else if (dom.nodeType(target) === dom.DOCUMENT_NODE) {
        this.reports.document(target as Document);
      } else if (this.serializer.hasChildren(target)) {
        for (const node of record.removedNodes) gone.add(node);
        for (const node of record.addedNodes) came.add(node);
      } else if (dom.isElement(target)) {
        sheets.add(target); // or nothing
        if (dom.localName(target) === "textarea") this.reports.field(target);
      }
    }
    const before = this.numbers.next;
    for (const node of came) if (dom.isElement(node)) this.privacy.secrets.lookFor(node);
    for (const element of attributes.keys()) this.noteStale(element, gone, came);
    if (this.privacy.dependsOnOthers) this.noteStaleByOthers(gone, came);
    this.noteDocuments(gone, came);
    this.remove(gone, came);
    this.serializer.begin(performance.now() + SLICE_MS);
    if (hosts.size) {
      // New slots first: what is shown in them is hidden with them.
      for (const node of came) if (dom.hostAround(node)) this.insert(node, came);
      this.recheckSlots(hosts);
    }
    for (const node of came) this.insert(node, came);
    for (const text of texts) this.text(text, before);
    for (const [element, names] of attributes) {
      const number = this.numbers.of(element);
      if (number && number < before) this.attributes(element, number, names, sheets);
    }
    for (const element of sheets) {
      if (this.numbers.of(element)) this.reports.sheet(element);
    }
  }

  /** Take a node out and make it again. */
  renew(nodes: readonly Node[]): void {
    const set = new Set(nodes.filter((node) => this.numbers.of(node)));
    this.remove(set, set);
    this.serializer.begin(performance.now() + SLICE_MS);
    for (const node of set) this.insert(node, set);
  }

  /** Make the children, or the rest of them, that were left pending. */
  resume(parent: Node): void {
    const number = this.numbers.of(parent);
    if (!number) return;
    let first: Node | null = null;
    for (let node = dom.lastChild(parent); node; node = dom.previousSibling(node)) {
      if (this.numbers.of(node)) break;
      if (this.serializer.counts(node)) first = node;
    }
    if (first) this.add(parent, number, 0, first, null);
  }

  /** Slots came, went, moved or have other names: what is shown where has changed. */
  private noteSlots(record: MutationRecord, hosts: Set<Element>): void {
    const host = dom.hostAround(record.target);
    if (!host) return;
    const nodes =
      record.type === "attributes"
        ? [record.target]
        : [...record.addedNodes, ...record.removedNodes];
    const concerns = (node: Node) =>
      dom.isElement(node) &&
      (record.type === "attributes" ? dom.localName(node) === "slot" : dom.holdsSlot(node));
    if (nodes.some(concerns)) hosts.add(host);
  }

  /** Make the content of hosts again where it is hidden now, or is no longer; and so on outwards. */
  recheckSlots(hosts: Iterable<Element>): void {
    const stale = new Set<Node>();
    for (const host of hosts) {
      for (let at: Element | null = host; at; at = dom.hostAround(at)) {
        if (this.numbers.of(at) && this.hasStaleChild(at)) stale.add(at);
      }
    }
    if (stale.size) this.renew([...stale]);
  }

  private hasStaleChild(host: Element): boolean {
    for (let node = dom.firstChild(host); node; node = dom.nextSibling(node)) {
      if (dom.isElement(node)) {
        if (this.numbers.of(node) && this.privacy.isStale(node)) return true;
      } else if (dom.isText(node) && this.privacy.isSlottedIntoHidden(node)) {
        return true;
      }
    }
    return false;
  }

  private noteStale(element: Element, gone: Set<Node>, came: Set<Node>): void {
    if (!this.numbers.of(element) || !this.privacy.isStale(element)) return;
    // What is shown in a slot stands elsewhere, below the host.
    let stale = element;
    while (dom.holdsSlot(stale)) {
      const host = dom.hostAround(stale);
      if (!host || !this.numbers.of(host)) break;
      stale = host;
    }
    gone.add(stale);
    came.add(stale);
  }

  /** What selectors name by its surroundings or its state: no mutation tells of all of that. */
  private noteStaleByOthers(gone: Set<Node>, came: Set<Node>): void {
    for (const root of this.reports.roots()) {
      for (const element of dom.all(root, this.privacy.selector)) {
        this.noteStale(element, gone, came);
      }
    }
  }

  /** A document may have become an editor, or a hidden page: no mutation tells of it. */
  private noteDocuments(gone: Set<Node>, came: Set<Node>): void {
    for (const root of this.reports.roots()) {
      const isPage = dom.nodeType(root) === dom.DOCUMENT_NODE;
      const top = isPage && dom.documentElement(root as Document);
      if (top) this.noteStale(top, gone, came);
      const frame = isPage && dom.frameAround(root as Document);
      if (!frame || !this.privacy.hidesPage((root as Document).URL)) continue;
      gone.add(frame);
      came.add(frame);
    }
  }

  /** Look whether something has become hidden, or is no longer. */
  recheck(): void {
    const stale = new Set<Node>();
    if (this.privacy.dependsOnOthers) this.noteStaleByOthers(stale, stale);
    this.noteDocuments(stale, stale);
    if (stale.size) this.renew([...stale]);
  }

  private remove(gone: Set<Node>, came: Set<Node>): void {
    const numbers: number[] = [];
    for (const set of [gone, came]) {
      for (const node of set) {
        const number = this.numbers.of(node);
        if (!number) continue;
        numbers.push(number);
        this.forget(node);
      }
    }
    if (numbers.length) this.reports.op(["remove", numbers]);
  }

  private forget(top: Node): void {
    const left: Node[] = [top];
    for (let node = left.pop(); node; node = left.pop()) {
      this.numbers.forget(node);
      this.serializer.pending.delete(node);
      if (dom.isElement(node)) {
        const shadow = dom.shadowOf(node, this.closed);
        if (shadow) left.push(shadow);
        const inner = this.serializer.shownIn.get(node);
        if (inner) left.push(inner);
      }
      for (let child = dom.firstChild(node); child; child = dom.nextSibling(child))
        left.push(child);
    }
  }

  /** Add a run of new siblings, where their place is known. */
  private insert(node: Node, came: Set<Node>): void {
    const parent = dom.parentNode(node);
    const number = this.numbers.of(parent);
    const isNew = (sibling: Node) => came.has(sibling) && !this.numbers.of(sibling);
    if (!parent || !number || !isNew(node) || !this.serializer.counts(node)) return;
    if (!this.serializer.hasChildren(parent)) return;
    const belongs = (sibling: Node) => isNew(sibling) || !this.serializer.counts(sibling);
    let first = node;
    for (let at = dom.previousSibling(node); at && belongs(at); at = dom.previousSibling(at))
      first = at;
    let until: Node | null = dom.nextSibling(node);
    while (until && belongs(until)) until = dom.nextSibling(until);
    const before = this.numbers.of(until);
    // Among siblings that have not been made: they are made together.
    if (!before && this.serializer.pending.has(parent)) return;
    this.add(parent, number, before, first, until);
  }

  private add(parent: Node, number: number, before: number, first: Node, until: Node | null): void {
    const at = this.numbers.next;
    const trees: Tree[] = this.serializer.siblings(
      parent,
      first,
      until,
      this.privacy.hidesInside(parent),
    );
    if (trees.length) this.reports.op(["add", number, before, at, trees]);
  }

  private text(text: Text, before: number): void {
    const number = this.numbers.of(text);
    const parent = dom.parentNode(text);
    if (!number || number >= before || !parent) return;
    const hidden = this.privacy.hidesInside(parent) || this.privacy.isSlottedIntoHidden(text);
    const shown = this.serializer.text(text, hidden);
    this.reports.op(["text", number, shown as string], `text ${number}`);
  }

  private attributes(
    element: Element,
    number: number,
    names: Set<string>,
    sheets: Set<Element>,
  ): void {
    const tag = dom.localName(element);
    if (tag === "style" || tag === "link") sheets.add(element);
    if (tag === "img" || tag === "video" || tag === "source") this.reports.picture(element);
    if (tag === "input" || tag === "option") this.reports.field(element);
    for (const name of names) this.attribute(element, number, name);
  }

  /** Tell the present value of an attribute. */
  attribute(element: Element, number: number, name: string): void {
    const value = dom.attribute(element, name);
    const shown = shownAttribute(element, name, value ?? "", this.privacy);
    // Of what is gone even the name says something, if it never left.
    if (shown === undefined && !(value === null && /^(?:class|id|slot|style)$/.test(name))) return;
    const told = value === null ? null : (shown ?? null);
    this.reports.op(["attribute", number, name, told], `attribute ${number} ${name}`);
  }
}
