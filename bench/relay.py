"""The relay beside socket.io and ws: CPU and latency of forwarding, memory, idling, reconnecting.

    python -m bench.relay [--rows forward busy two memory idle reconnect] [--seconds 10]
                          [--rounds 3] [--idle-seconds 300] [--quick]

Every session has a visitor and an agent, each with a socket and a loopback address of its own. The
server runs on one core; the load generator, the same Python for all servers, on the last one.

forward, busy:  frames of 400 bytes, visitor to agent, evenly spread. CPU is utime + stime of the
                server over a steady window, less what it took idle (pings), per frame that arrived
                in the window. Latency is from the visitor's write to the agent's read, so it holds
                the generator's own waiting too. "lost" counts frames of the whole stream that never
                came, "others" what else ran meanwhile: with more than a few percent, run it again.
two:            the same as forward, with one relay of ours and with two over one Redis, whose CPU
                is added up; Redis itself runs on any core and is not counted.
memory:         resident set from ten sessions on to 1,000 more, and to one more agent in each, some
                seconds after the last; no frame is sent.
idle:           5,000 sessions of ours that only answer pings.
reconnect:      all visitors of 200 sessions of ours are cut at once and come back with their
                tickets, each at a random moment within a second.

Servers take turns, each time as a fresh process; figures are medians over the rounds. socket.io
sends a frame as two messages, as its protocol wants, and pings every 25 s; ws has no pings; ours
pings every 5 s and keeps what a late agent would need. Prints; asserts nothing.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from bench import load
from bench.servers import TARGETS, Ours, Server, Target, Two, install_peers, loading

T = TypeVar("T")

FRAME_BYTES: Final = 400
WARM_S: Final = 3.0
IDLE_S: Final = 5.0  # one round of our pings
SETTLE_S: Final = 6.0
BASIS: Final = "socket.io"


@dataclass(frozen=True)
class Asked:
    """The options."""

    seconds: float
    rounds: int
    idle_seconds: float


# -- forwarding ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forwarded:
    """One run of one server."""

    idle_share: float
    stream: load.Streamed

    @property
    def us_per_frame(self) -> float:
        busy_s = self.stream.server_cpu_s - self.idle_share * self.stream.window_s
        return busy_s / self.stream.frames * 1e6

    @property
    def share(self) -> float:
        return self.stream.server_cpu_s / self.stream.window_s

    @property
    def lost(self) -> int:
        return self.stream.sent - self.stream.received


def forward(asked: Asked) -> None:
    _forward(asked, sessions=200, per_session_hz=25)


def busy(asked: Asked) -> None:
    _forward(asked, sessions=1_000, per_session_hz=10)


def two(asked: Asked) -> None:
    _forward(asked, sessions=200, per_session_hz=25, targets=(Ours(), Two()), basis=Ours.name)


def _forward(
    asked: Asked,
    *,
    sessions: int,
    per_session_hz: int,
    targets: Sequence[Target] = TARGETS,
    basis: str = BASIS,
) -> None:
    stream = load.Stream(per_session_hz, FRAME_BYTES, WARM_S, asked.seconds)

    def measure(server: Server) -> Forwarded:
        with loading(server.plan(sessions)) as clients:
            clients.open(sessions)
            return Forwarded(clients.idle(IDLE_S).server_share, clients.stream(stream))

    title(f"{sessions:,} sessions, {per_session_hz} frames/s each, {FRAME_BYTES} bytes a frame")
    print(
        f"{'':<11}{'CPU us/frame':>13}{'ratio':>7}{'(rounds)':>19}{'share':>7}{'idle':>6}", end=""
    )
    print(f"{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}{'max ms':>8}", end="")
    print(f"{'lost':>6}{'closed':>8}{'load':>6}{'others':>8}")
    found = in_turn(measure, asked.rounds, targets)
    others = [run.us_per_frame for run in found[basis]]
    for name, runs in found.items():
        costs = [run.us_per_frame for run in runs]
        # Each round's servers met the same weather, so ratios are taken within rounds.
        ratios = [cost / other for cost, other in zip(costs, others, strict=True)]
        p50, p95, p99, worst = (
            statistics.median(run.stream.latencies_ms[n] for run in runs) for n in range(4)
        )
        rounds = f"{min(costs):.1f} - {max(costs):.1f}"
        print(
            f"{name:<11}{statistics.median(costs):13.1f}{statistics.median(ratios):7.2f}"
            f"{rounds:>19}{percent(run.share for run in runs):>7}"
            f"{percent(run.idle_share for run in runs):>6}{p50:8.2f}{p95:8.2f}"
            f"{p99:8.2f}{worst:8.1f}"
            f"{sum(run.lost for run in runs):6}{sum(run.stream.closed for run in runs):8}"
            f"{percent(run.stream.own_share for run in runs):>6}"
            f"{percent(run.stream.other_share for run in runs):>8}",
            flush=True,
        )


# -- the other rows ------------------------------------------------------------------------------


def memory(asked: Asked, sessions: int = 1_000) -> None:
    def measure(server: Server) -> tuple[float, float, float]:
        with loading(server.plan(sessions + 10)) as clients:
            clients.open(10)
            sizes_kb = []
            for grow in (lambda: None, lambda: clients.open(sessions), clients.join):
                grow()
                clients.idle(SETTLE_S)
                sizes_kb.append(server.rss_kb())
            empty, opened, joined = sizes_kb
            return empty / 1000, (opened - empty) / sessions, (joined - opened) / (sessions + 10)

    title(f"Resident memory, {sessions:,} sessions and as many more agents")
    print(f"{'':<11}{'empty MB':>10}{'KB/session':>12}{'KB/more agent':>15}")
    for name, runs in in_turn(measure, asked.rounds).items():
        empty, session, agent = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:<11}{empty:10.1f}{session:12.1f}{agent:15.1f}", flush=True)


def idle(asked: Asked, sessions: int = 5_000) -> None:
    title(f"{sessions:,} sessions of ours, idle for {asked.idle_seconds:.0f} s")
    with Ours().running() as server, loading(server.plan(sessions)) as clients:
        opened = clients.open(sessions)
        held = clients.idle(asked.idle_seconds)
        print(f"{opened.sockets:,} sockets opened in {opened.seconds:.1f} s, {held.closed} closed;")
        print(f"{held.server_share:.1%} of one core, {server.rss_kb() / 1000:.0f} MB")


def reconnect(asked: Asked, sessions: int = 200, within_s: float = 1.0) -> None:
    title(f"{sessions} visitors of ours are cut and back within {within_s:.0f} s, milliseconds")
    print(f"{'':<26}{'p50':>8}{'p99':>8}{'max':>8}")
    plan_uses = 1 + asked.rounds
    with Ours().running() as server, loading(server.plan(sessions, plan_uses)) as clients:
        clients.open(sessions)
        rounds = []
        for _ in range(asked.rounds):
            clients.idle(IDLE_S)
            rounds.append(clients.reconnect(within_s))
    for name, columns in {
        "from the cut": [done.since_cut_ms for done in rounds],
        "from its own connection": [done.since_connect_ms for done in rounds],
    }.items():
        shown = (
            statistics.median(
                column[min(len(column) * p // 100, len(column) - 1)] for column in columns
            )
            for p in (50, 99, 100)
        )
        print(f"{name:<26}" + "".join(f"{value:8.1f}" for value in shown), flush=True)


# -- what the rows share -------------------------------------------------------------------------


def in_turn(
    measure: Callable[[Server], T], rounds: int, targets: Sequence[Target] = TARGETS
) -> dict[str, list[T]]:
    """Each server's results, by its name."""
    found: dict[str, list[T]] = {target.name: [] for target in targets}
    for _ in range(rounds):
        for target in targets:
            with target.running() as server:
                found[target.name].append(measure(server))
    return found


def percent(shares: Iterable[float]) -> str:
    return f"{statistics.median(shares):.0%}"


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


ROWS: Final = {
    "forward": forward,
    "busy": busy,
    "two": two,
    "memory": memory,
    "idle": idle,
    "reconnect": reconnect,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="the relay beside socket.io and ws")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seconds", type=float, default=10, help="of each steady window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-seconds", type=float, default=300)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    options = parser.parse_args()
    asked = Asked(options.seconds, options.rounds, options.idle_seconds)
    if options.quick:
        asked = Asked(seconds=3, rounds=1, idle_seconds=15)
    install_peers()
    cores = sorted(os.sched_getaffinity(0))
    print(
        f"{len(cores)} cores; the server on core {cores[0]}, the load on core {cores[-1]}.", end=""
    )
    print(f" Load average before: {os.getloadavg()[0]:.1f}")
    began = time.monotonic()
    for row in options.rows:
        ROWS[row](asked)
    print(f"\nTook {(time.monotonic() - began) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
