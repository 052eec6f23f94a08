"""How much one peer or address may ask for."""

import pytest

from relay.errors import TooMuch
from relay.limits import FORGET_S, Allowance, Connections, WrongKeys, network


def test_an_allowance_lets_bursts_through_and_then_slows_down() -> None:
    allowance = Allowance(10.0, 20.0, 0.0)
    assert [allowance.take(1, 0.0) for _ in range(20)] == [0.0] * 20
    assert allowance.take(1, 0.0) == pytest.approx(0.1)
    assert allowance.take(1, 0.2) == 0.0
    assert allowance.take(100, 100.0) == pytest.approx(8.0)


def test_connections_are_counted_by_address_and_in_all() -> None:
    connections = Connections(3, 2)
    connections.add("a")
    connections.add("a")
    with pytest.raises(TooMuch):
        connections.add("a")
    connections.add("b")
    with pytest.raises(TooMuch):
        connections.add("c")
    connections.remove("a")
    connections.add("c")
    assert len(connections) == 3


def test_each_wrong_key_makes_the_next_answer_later() -> None:
    wrong = WrongKeys(8)
    delays = [wrong.add("a", 0.0) for _ in range(8)]
    assert delays == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    with pytest.raises(TooMuch):
        wrong.add("a", 0.0)
    assert wrong.add("b", 0.0) == 0.0
    assert wrong.add("a", FORGET_S + 1) == 0.0
    assert wrong.add("a", FORGET_S + 1) == 0.25
    wrong.forgive("a")
    wrong.forgive("a")
    wrong.forgive("nobody")
    assert wrong.add("a", FORGET_S + 2) == 0.0


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_one_customer_of_a_provider_is_one_address(address: str, counts_as: str) -> None:
    assert network(address) == counts_as
