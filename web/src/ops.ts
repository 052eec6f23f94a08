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

export interface Start {
  doctype: string;
  width: number;
  height: number;
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
  /** over: the innermost element under the mouse, 0 for none. */
  | ["mouse", x: number, y: number, over: number]
  | ["viewport", width: number, height: number]
  /** All of a keyframe has been sent. */
  | ["complete"];

export const DOCUMENT = 1;

const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";
export const HTML = "http://www.w3.org/1999/xhtml";
export const NAMESPACES = { svg: SVG, math: MATH, html: HTML } as const;
