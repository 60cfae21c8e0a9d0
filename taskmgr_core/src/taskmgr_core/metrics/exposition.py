"""From what the store has to what Prometheus reads."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator

import attrs
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from taskmgr_core.client import Client
from taskmgr_core.metrics.counted import counted_metrics
from taskmgr_core.metrics.gauges import Metric, gauge, gauges_of
from taskmgr_core.monitoring import take


def metrics_text(client: Client, accept: str = "") -> tuple[bytes, str]:
    """The metrics of the platform at this moment, and their content type.

    A few queries, each bounded and served by an index, however long the history is. What this
    process itself has counted is reported first.

    Arguments:
        client: whose platform it is.
        accept: the header ``Accept`` of who asks; by default the text format.

    Raises:
        StoreError: the metadata store does not answer; to be told as 503, so that Prometheus
            sees that there is nothing to be known.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Platform(client))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@attrs.frozen(eq=False)  # a registry keeps it by its identity
class _Platform(Collector):
    client: Client

    def collect(self) -> Iterator[Metric]:
        """Everything, asked for now."""
        began = time.perf_counter()
        client = self.client
        client.teller.meter.report()
        picture = take(client.metadata, client.queue, client.lost_after)
        totals = client.metadata.counters.totals()
        version = importlib.metadata.version("taskmgr-core")
        yield gauge("taskmgr_info", "The version of who answers.", ("version",), [((version,), 1)])
        yield from gauges_of(picture)
        yield from counted_metrics(totals)
        seconds = time.perf_counter() - began
        yield gauge("taskmgr_scrape_seconds", "Seconds that this answer took.", (), [((), seconds)])
