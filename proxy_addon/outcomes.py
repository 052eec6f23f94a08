"""What became of each response, counted by reason: for the log, and for Prometheus."""

from collections import Counter
from collections.abc import Iterator
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from proxy_addon.splice import SPLICED

PROGRESS_EVERY_S: Final = 60.0


class Outcomes(Counter[str]):
    """Counts by outcome, and when it is time to tell of them."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: float | None = None

    def record(self, outcome: str) -> None:
        self[outcome] += 1

    def summary(self) -> str:
        """One line: pages with the script first, then the other outcomes, the most frequent first.

        Most of what a site sends is no page, and is counted as what it is.
        """
        others = [(outcome, n) for outcome, n in self.most_common() if outcome != SPLICED]
        told = ", ".join(f"{outcome} {n:,}" for outcome, n in others)
        pages = f"{self[SPLICED]:,} page{'' if self[SPLICED] == 1 else 's'} with the script"
        return pages + (f"; untouched: {told}" if told else "")

    def progress(self, now: float) -> str:
        """summary() for the first page with the script, then every PROGRESS_EVERY_S; else ""."""
        is_first = self._told_at is None and self[SPLICED] > 0
        if is_first or (self._told_at is not None and now - self._told_at >= PROGRESS_EVERY_S):
            self._told_at = now
            return self.summary()
        return ""


class MetricsServer(Collector):
    """Serves the counts to Prometheus, from a thread of its own.

    Raises: OSError when the address is taken.
    """

    def __init__(self, outcomes: Outcomes, host: str, port: int) -> None:
        self._outcomes = outcomes
        registry = CollectorRegistry()
        registry.register(self)
        self._server: WSGIServer
        self._server, self._thread = start_http_server(port, host, registry)

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "cobrowse_responses", "Responses by what became of them.", labels=["outcome"]
        )
        for outcome, count in list(self._outcomes.items()):
            family.add_metric([outcome], count)
        yield family

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
