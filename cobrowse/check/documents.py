"""What is another in two documents, of which each was looked at several times. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

# A node, as the browser shows it, and the path to it.
Node = tuple[str, str]


def changed(
    without: Sequence[Sequence[Node]], through: Sequence[Sequence[Node]]
) -> tuple[list[str], int]:
    """What the proxy changes: lines; and how many nodes of a tree differ without its doing.

    Nodes are counted, as what is put in somewhere moves all that follows. One counts as changed
    only if all trees of a side have it more often than any of the other.

    Args: trees: path and node, in document order.
    """
    before, after = [Counter(tree) for tree in without], [Counter(tree) for tree in through]
    counts = [*before, *after]
    steady = {node for node in set().union(*counts) if len({count[node] for count in counts}) == 1}
    orders = [[node for node in tree if node in steady] for tree in (*without, *through)]
    lines = [f"- {path} {node}" for path, node in _more_often(before, after)]
    lines += [f"+ {path} {node}" for path, node in _more_often(after, before)]
    if not lines:
        lines = [f"moved: {path} {node}" for path, node in _moved(orders, len(without))]
    unsteady = [
        sum(count.values()) - len(order) for count, order in zip(counts, orders, strict=True)
    ]
    return lines, max(unsteady)


def _more_often(here: Sequence[Counter[Node]], there: Sequence[Counter[Node]]) -> list[Node]:
    nodes = [
        node
        for node in dict.fromkeys(node for count in here for node in count)
        if min(count[node] for count in here) > max(count[node] for count in there)
    ]
    # A slow clock shows the same twice here, and has shown others there.
    changing, found = _unsteady(there), Counter(path for path, _ in nodes)
    return [(path, node) for path, node in nodes if found[path] > changing[path]]


def _unsteady(counts: Sequence[Counter[Node]]) -> Counter[str]:
    """By path, how many nodes are not the same in all trees of a side."""
    most: Counter[str] = Counter()
    for count in counts:
        varies = (node for node in count if len({other[node] for other in counts}) > 1)
        most |= Counter(path for path, _ in varies)
    return most


def _moved(orders: Sequence[Sequence[Node]], sides_at: int) -> Iterator[Node]:
    """Nodes that always stand elsewhere. Args: sides_at: where trees of the other side begin."""
    was, now = orders[:sides_at], orders[sides_at:]
    if all(one == was[0] for one in was) and all(one == now[0] for one in now):
        yield from (one for one, other in zip(was[0], now[0], strict=True) if one != other)
