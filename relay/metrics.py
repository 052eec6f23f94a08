"""What the relay counts, for /metrics. Names and labels never hold anything of a person."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

SESSIONS: Final = Gauge(
    "cobrowse_sessions", "Sessions of this relay.", ["state"], registry=REGISTRY
)
PEERS: Final = Gauge("cobrowse_peers", "Open sockets.", ["kind"], registry=REGISTRY)
FRAMES: Final = Counter("cobrowse_frames_total", "Capture frames received.", registry=REGISTRY)
BYTES: Final = Counter("cobrowse_frame_bytes_total", "Their bytes.", registry=REGISTRY)
DROPS: Final = Counter(
    "cobrowse_outbox_drops_total",
    "Times that a slow peer's frames were dropped.",
    registry=REGISTRY,
)
LATENCY: Final = Histogram(
    "cobrowse_relay_seconds",
    "From the arrival of a capture frame to its hand-over to the last agent's socket.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
    registry=REGISTRY,
)
REFUSED: Final = Counter(
    "cobrowse_refused_total", "Peers and requests refused.", ["code"], registry=REGISTRY
)
CLOSED: Final = Counter(
    "cobrowse_closed_total", "Sockets closed by the relay.", ["code"], registry=REGISTRY
)
HEALTH: Final = Gauge(
    "cobrowse_healthy", "1 where a part can be reached, else 0.", ["part"], registry=REGISTRY
)
