// Which nodes the agent's copy has, and under which number.

export class Numbers {
  private byNode = new WeakMap<Node, number>();
  private last = 0;

  /** A keyframe begins: nothing is known any more, and no number comes back. */
  reset(): void {
    this.byNode = new WeakMap();
    this.last = 0;
  }

  /** The number that the next node will get. */
  get next(): number {
    return this.last + 1;
  }

  give(node: Node): number {
    this.byNode.set(node, ++this.last);
    return this.last;
  }

  /** 0 for a node that the copy does not have. */
  of(node: Node | null): number {
    return (node && this.byNode.get(node)) || 0;
  }

  forget(node: Node): void {
    this.byNode.delete(node);
  }
}
