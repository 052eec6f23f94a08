"""The load generator: a process of its own that is visitors and agents, one command at a time.

    python -m bench.load    (bench.relay starts it; JSON lines in, JSON lines out)

The first line is a Plan, each other one a Command; every one is answered by one line. The server's
CPU time is read here, at the very moments at which the frames of the window are counted.
"""

import asyncio
import gc
import os
import random
import resource
import sys
import time
from array import array
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bench.dialects import CLIENTS, Client, Dialect, Session, Tally

OPEN_AT_ONCE: Final = 64
OPEN_TIMEOUT_S: Final = 90.0
DRAIN_S: Final = 5.0
TICK_S: Final = 0.001
_CLOCK_HZ: Final = os.sysconf("SC_CLK_TCK")


# -- commands and answers ------------------------------------------------------------------------


class Plan(msgspec.Struct, frozen=True):
    """Who the clients are. pids: of the server. visitor_tokens: by session, in order of use."""

    dialect: Dialect
    visitor_port: int
    agent_port: int
    pids: tuple[int, ...]
    visitor_tokens: list[list[str]]
    agent_token: str


class Open(msgspec.Struct, tag=True, frozen=True):
    """So many more sessions, with a visitor and an agent each."""

    sessions: int


class Join(msgspec.Struct, tag=True, frozen=True):
    """One more agent in every session."""


class Idle(msgspec.Struct, tag=True, frozen=True):
    """Only answer pings."""

    seconds: float


class Stream(msgspec.Struct, tag=True, frozen=True):
    """Send frames of every visitor, evenly spread; what counts begins after warm_s."""

    per_session_hz: float
    frame_bytes: int
    warm_s: float
    seconds: float


class Reconnect(msgspec.Struct, tag=True, frozen=True):
    """Cut every visitor's socket at once; each comes back at a random moment within so long."""

    within_s: float


Command = Open | Join | Idle | Stream | Reconnect


class Opened(msgspec.Struct, frozen=True):
    sockets: int
    seconds: float


class Idled(msgspec.Struct, frozen=True):
    """closed: sockets that the server has closed so far. server_share: of one core."""

    closed: int
    server_share: float


class Streamed(msgspec.Struct, frozen=True):
    """What came of a stream.

    sent, received: of the whole stream, after waiting for the last frame; all else is of the
    window. Shares are of one core; other_share: of whatever else ran on this machine.
    """

    sent: int
    received: int
    closed: int
    window_s: float
    frames: int
    server_cpu_s: float
    own_share: float
    other_share: float
    latencies_ms: tuple[float, float, float, float]  # p50, p95, p99, worst


class Reconnected(msgspec.Struct, frozen=True):
    """Milliseconds of every visitor, sorted: from the cut, and from its own new connection."""

    since_cut_ms: list[float]
    since_connect_ms: list[float]


Answer = Opened | Idled | Streamed | Reconnected


# -- the generator -------------------------------------------------------------------------------


class Generator:
    """All clients of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tally = Tally()
        self._sessions: list[Session] = []

    async def run(self, command: Command) -> Answer:
        match command:
            case Open(count):
                return await self._open(count)
            case Join():
                return await self._join()
            case Idle(seconds):
                return await self._idle(seconds)
            case Stream():
                return await self._stream(command)
            case Reconnect(within_s):
                return await self._reconnect(within_s)

    async def _open(self, count: int) -> Opened:
        tokens = self._plan.visitor_tokens
        first = len(self._sessions)
        new = [
            Session(n, iter(tokens[n] if tokens else ()), self._plan.agent_token)
            for n in range(first, first + count)
        ]
        self._sessions += new
        seconds = await _a_few_at_once(self._begin(session) for session in new)
        return Opened(2 * count, seconds)

    async def _begin(self, session: Session) -> None:
        session.visitor = await self._connect(session, is_agent=False)
        session.agents.append(await self._connect(session, is_agent=True))

    async def _join(self) -> Opened:
        async def join(session: Session) -> None:
            session.agents.append(await self._connect(session, is_agent=True))

        seconds = await _a_few_at_once(join(session) for session in self._sessions)
        return Opened(len(self._sessions), seconds)

    async def _idle(self, seconds: float) -> Idled:
        began, cpu_s = time.monotonic(), self._server_cpu_s()
        await asyncio.sleep(seconds)
        share = (self._server_cpu_s() - cpu_s) / (time.monotonic() - began)
        return Idled(self._tally.closed, share)

    async def _stream(self, asked: Stream) -> Streamed:
        # The clients' own objects are of no interest to a collector that would stop the clock.
        gc.collect()
        gc.freeze()
        gc.disable()
        tally = self._tally
        received = tally.received
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(asked), name="send")
            await asyncio.sleep(asked.warm_s)
            began, frames, usage = time.monotonic(), tally.received, self._usage()
            tally.latencies_ns = array("q")
            await asyncio.sleep(asked.seconds)
            window_s, frames = time.monotonic() - began, tally.received - frames
            server_s, own_s, other_s = (
                after - before for before, after in zip(usage, self._usage(), strict=True)
            )
            latencies_ms = [ns / 1e6 for ns in sorted(tally.latencies_ns)]
        sent = sending.result()
        deadline = time.monotonic() + DRAIN_S
        while tally.received - received < sent and time.monotonic() < deadline:
            await asyncio.sleep(TICK_S)
        gc.enable()
        return Streamed(
            sent=sent,
            received=tally.received - received,
            closed=tally.closed,
            window_s=window_s,
            frames=frames,
            server_cpu_s=server_s,
            own_share=own_s / window_s,
            other_share=max(other_s, 0.0) / window_s,
            latencies_ms=(
                latencies_ms[len(latencies_ms) // 2],
                latencies_ms[len(latencies_ms) * 95 // 100],
                latencies_ms[len(latencies_ms) * 99 // 100],
                latencies_ms[-1],
            ),
        )

    async def _send(self, asked: Stream) -> int:
        """Returns how many frames have gone, counted once per agent that should get them."""
        visitors = [(s.visitor, len(s.agents)) for s in self._sessions if s.visitor is not None]
        for visitor, _ in visitors:
            visitor.prepare()
        began = time.monotonic()
        ends = began + asked.warm_s + asked.seconds + 2 * TICK_S
        rate_hz = asked.per_session_hz * len(visitors)
        turns = sent = 0
        while (now := time.monotonic()) < ends:
            due = int((now - began) * rate_hz)
            for turn in range(turns, due):
                visitor, agents = visitors[turn % len(visitors)]
                visitor.send_frame(asked.frame_bytes)
                sent += agents
            turns = due
            await asyncio.sleep(TICK_S)
        return sent

    async def _reconnect(self, within_s: float) -> Reconnected:
        since_cut: list[float] = []
        since_connect: list[float] = []

        async def come_back(session: Session) -> None:
            await asyncio.sleep(random.uniform(0, within_s))
            began = time.monotonic()
            session.visitor = await self._connect(session, is_agent=False)
            since_cut.append((time.monotonic() - cut_at) * 1000)
            since_connect.append((time.monotonic() - began) * 1000)

        cut_at = time.monotonic()
        for session in self._sessions:
            if session.visitor is not None:
                session.visitor.cut()
        async with asyncio.timeout(OPEN_TIMEOUT_S), asyncio.TaskGroup() as tasks:
            for session in self._sessions:
                tasks.create_task(come_back(session), name=f"come back {session.number}")
        return Reconnected(sorted(since_cut), sorted(since_connect))

    async def _connect(self, session: Session, *, is_agent: bool) -> Client:
        plan = self._plan
        port = plan.agent_port if is_agent else plan.visitor_port
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: CLIENTS[plan.dialect](session, self._tally, is_agent=is_agent),
            "127.0.0.1",
            port,
            local_addr=(_address(session.number, is_agent=is_agent), 0),
        )
        await client.ready
        return client

    def _server_cpu_s(self) -> float:
        return sum(cpu_s(pid) for pid in self._plan.pids)

    def _usage(self) -> tuple[float, float, float]:
        """CPU seconds so far: the server's, our own, everybody else's."""
        user, nice, system, _idle, _wait, irq, softirq, steal = map(
            int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
        )
        everybody = (user + nice + system + irq + softirq + steal) / _CLOCK_HZ
        server, own = self._server_cpu_s(), time.process_time()
        return server, own, everybody - server - own  # in ticks, so it can come out below 0


async def _a_few_at_once(tasks: Iterable[Coroutine[None, None, None]]) -> float:
    """Returns the seconds that it took."""
    waiting = iter(tasks)

    async def work() -> None:
        for task in waiting:
            await task

    began = time.monotonic()
    async with asyncio.timeout(OPEN_TIMEOUT_S), asyncio.TaskGroup() as workers:
        for number in range(OPEN_AT_ONCE):
            workers.create_task(work(), name=f"open {number}")
    return time.monotonic() - began


def _address(number: int, *, is_agent: bool) -> str:
    """Every client's own, as out there; and no address runs out of ports."""
    return f"127.{2 if is_agent else 1}.{number // 250}.{number % 250 + 1}"


def cpu_s(pid: int) -> float:
    """CPU seconds that a process with all its threads has used, in steps of 0.01."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_HZ


def raise_open_files() -> None:
    """As many sockets as the machine lets us have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve() -> None:
    loop = asyncio.get_running_loop()
    plan = msgspec.json.decode(
        await loop.run_in_executor(None, sys.stdin.buffer.readline), type=Plan
    )
    generator = Generator(plan)
    commands: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        answer = await generator.run(commands.decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    raise_open_files()
    uvloop.run(serve())
