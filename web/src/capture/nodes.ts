// The recorder's events as far as this script looks into them.
import type { eventWithTime } from "rrweb";

export interface SerializedNode {
  id: number;
  type: number;
  tagName?: string;
  attributes?: Record<string, unknown>;
  childNodes?: SerializedNode[];
}

export const META = 4;
export const FULL_SNAPSHOT = 2;
export const INCREMENTAL = 3;
export const MOUSE_MOVE = 1;
const MUTATION = 0;

interface MutationData {
  source: number;
  adds: { node: SerializedNode }[];
  attributes: { id: number; attributes: Record<string, unknown> }[];
}

/** Every element whose attributes an event carries: the nodes of a snapshot or addition, and changes. */
export function visitElements(
  event: eventWithTime,
  visit: (id: number, attributes: Record<string, unknown>) => void,
): void {
  const type: number = event.type;
  if (type === FULL_SNAPSHOT) {
    visitTree((event.data as unknown as { node: SerializedNode }).node, visit);
  } else if (type === INCREMENTAL) {
    const data = event.data as unknown as MutationData;
    if (data.source !== MUTATION) return;
    for (const added of data.adds) visitTree(added.node, visit);
    for (const change of data.attributes) visit(change.id, change.attributes);
  }
}

function visitTree(
  node: SerializedNode,
  visit: (id: number, attributes: Record<string, unknown>) => void,
): void {
  if (node.attributes) visit(node.id, node.attributes);
  for (const child of node.childNodes ?? []) visitTree(child, visit);
}

/** An event that sets attributes, as the recorder would have made it. */
export function attributeEvent(id: number, attributes: Record<string, string>): eventWithTime {
  return {
    type: INCREMENTAL,
    timestamp: Date.now(),
    data: { source: MUTATION, adds: [], removes: [], texts: [], attributes: [{ id, attributes }] },
  } as unknown as eventWithTime;
}
