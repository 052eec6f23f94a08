"""Whether the relay and what it needs are well: /healthz, /readyz, /metrics."""

import asyncio
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay.broker import Broker, BrokerError
from relay.hub import Hub
from relay.metrics import HEALTH, REGISTRY
from relay.records import Records
from relay.settings import Settings

LOOK_EVERY_S: Final = 2.0


class Health:
    """Looks at the broker now and then; the store is known by what became of the last write."""

    def __init__(self, settings: Settings, hub: Hub, broker: Broker, records: Records) -> None:
        self._hub, self._broker, self._records = hub, broker, records
        self._metrics_from = frozenset(settings.relay.metrics_from)
        self._broker_problem = ""

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._broker.check()
                self._broker_problem = ""
            except BrokerError as error:
                self._broker_problem = str(error)
            HEALTH.labels("broker").set(not self._broker_problem)
            HEALTH.labels("store").set(not self._records.problem)
            await asyncio.sleep(LOOK_EVERY_S)

    async def healthz(self, _: Request) -> Response:
        """200 while the relay runs; the body says what is not well. Sessions go on without it."""
        problems = {"store": self._records.problem, "broker": self._broker_problem}
        # What is wrong stands in the log: anybody may read this.
        parts = {name: "away" if problem else "ok" for name, problem in problems.items()}
        well = not any(problems.values())
        return JSONResponse({"status": "ok" if well else "degraded", **parts})

    async def readyz(self, _: Request) -> Response:
        """503 once it drains: a load balancer sends nobody here any more."""
        if self._hub.is_draining:
            return PlainTextResponse("draining\n", 503)
        return PlainTextResponse("ok\n")

    async def metrics(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        if address not in self._metrics_from:
            return PlainTextResponse("Not found.\n", 404)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
