// What capture frames hold: operations on the agent's copy, in the order in which they happened.
//
// Nodes have numbers. The document is 1; the nodes of an added tree are counted up from the number that
// comes with it, in this order: the element, its shadow root and what is in it, the document of its frame
// and what is in it, its children. Both sides count, so no number is sent for them.

/** Text whose characters stay at the visitor's: the width of each line in CSS pixels. */
export interface Hidden {
  /** Empty where the text is not laid out. */
  widths: number[];
  /** Line breaks of the text are kept (white-space: pre and the like). */
  pre?: 1;
}

/** What attributes do not say of an element. */
export interface Extra {
  /** The rules of a style or link element. */
  css?: string;
  shadow?: Shadow;
  frame?: FrameDocument;
  field?: Field;
  /** Size of an image or video whose pixels are not there (yet). */
  natural?: [width: number, height: number];
  /** Size to hold, because what gives the element its size stays at the visitor's. */
  size?: [width: number, height: number];
  /** Namespace, where it is neither HTML's nor its parent's. */
  ns?: "svg" | "math" | "html";
}

export interface Shadow {
  adopted: string[];
  nodes: Tree[];
  /** Scripts say what is shown in which slot. */
  manual?: 1;
}

export interface FrameDocument extends Shadow {
  doctype: string;
}

/** A form field's state: value, checked, indeterminate, selected options. */
export interface Field {
  v?: string;
  c?: 0 | 1;
  i?: 0 | 1;
  s?: number[];
}

export type Attributes = Record<string, string>;
export type ElementTree = [
  tag: string,
  attributes: Attributes | 0,
  nodes: Tree[] | 0,
  extra?: Extra,
];
export type Tree = string | Hidden | ElementTree;

/** key: "@" and a name, for those of style sheets; "#" and a number for those of scripts. */
export interface Animated {
  time: number;
  rate: number;
  state: string;
  keyframes?: Keyframe[];
  /** -1 iterations: no end. */
  timing?: EffectTiming;
}

/** In a text behind so many characters, or BEFORE or AFTER a node. */
export type Point = [node: number, offset: number];
export const BEFORE = -1;
export const AFTER = -2;
/** The highlight that stands for what the visitor has selected. */
export const SELECTION = "cobrowse-selection";

export interface Start {
  doctype: string;
  width: number;
  height: number;
  /** Width of the visitor's scrollbars in CSS pixels, where it is known. */
  bars?: number | undefined;
}

export type Op =
  /** A keyframe begins: the copy is empty. */
  | ["start", Start]
  /** The page is one that the agent must not see. */
  | ["hidden"]
  /** before: 0 for the end. */
  | ["add", parent: number, before: number, first: number, trees: Tree[]]
  | ["remove", nodes: number[]]
  | ["text", node: number, text: string | Hidden]
  /** null takes the attribute away. */
  | ["attribute", node: number, name: string, value: string | null]
  | ["css", node: number, text: string]
  /** More rules at the end of a sheet. */
  | ["rules", node: number, text: string]
  /** A root's adopted style sheets, all of them. */
  | ["adopted", root: number, texts: string[]]
  | ["field", node: number, field: Field]
  | ["scroll", node: number, x: number, y: number]
  | ["natural", node: number, width: number, height: number]
  /** What a canvas or a film shows. */
  | ["picture", node: number, asset: string]
  /** Where an animation stands; of one that a script has made, all of it. null: it is gone. */
  | ["animate", node: number, pseudo: string, key: string, animated: Animated | null]
  /** What a frame of another origin says of itself, in numbers of its own. */
  | ["frame", node: number, ops: Op[]]
  /** over: the innermost element under the mouse, 0 for none. */
  | ["mouse", x: number, y: number, over: number]
  /** Pseudo-classes, each with all elements that it is true of. */
  | ["state", name: string, nodes: number[]]
  /** The element with the focus, 0 for none; visible: as :focus-visible says. */
  | ["focus", node: number, visible: 0 | 1]
  /** The innermost element that is held down, 0 for none. */
  | ["press", node: number]
  /** Ranges of a document that are selected, or that the page itself has given a name. */
  | ["highlight", page: number, name: string, ranges: [Point, Point][]]
  /** The caret: in a field from and to which character, elsewhere a point; 0 for none. */
  | ["caret", node: number, start: number, end: number]
  /** What a script has given to a slot. */
  | ["slots", slot: number, nodes: number[]]
  /** How an element is in the top layer, "" for not. */
  | ["top", node: number, as: "modal" | "popover" | ""]
  | ["viewport", width: number, height: number]
  /** All of a keyframe has been sent. */
  | ["complete"];

export const DOCUMENT = 1;

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";
export const HTML = "http://www.w3.org/1999/xhtml";
export const NAMESPACES = { svg: SVG, math: MATH, html: HTML } as const;
