"""What was counted since the platform began: counters and histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from taskmgr_core.metering import FAMILIES, Family

_BETWEEN = "\t"
_LAST = "+Inf"


def counted_metrics(totals: Mapping[str, float]) -> Iterator[Metric]:
    """Every counter and histogram; what no family knows is left out.

    Arguments:
        totals: as ``CounterStore.totals`` gives them.
    """
    found: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for key, value in sorted(totals.items()):
        name, *labels = key.split(_BETWEEN)
        found.setdefault(name, []).append((tuple(labels), value))
    for family in FAMILIES:
        samples = found.get(family.name, [])
        if family.bounds:
            yield _histogram(family, samples, dict(found.get(f"{family.name}_sum", [])))
        else:
            yield _counter(family, samples)


def _counter(family: Family, samples: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    made = CounterMetricFamily(family.name, family.help, labels=list(family.labels))
    for labels, value in samples:
        if len(labels) == len(family.labels):
            made.add_metric(list(labels), value)
    return made


def _histogram(
    family: Family,
    samples: Sequence[tuple[tuple[str, ...], float]],
    sums: Mapping[tuple[str, ...], float],
) -> Metric:
    """The store has of each bucket what falls into it; Prometheus wants what is below its bound."""
    made = HistogramMetricFamily(family.name, family.help, labels=list(family.labels))
    bounds = [*(f"{each:g}" for each in family.bounds), _LAST]
    inside: dict[tuple[str, ...], dict[str, float]] = {}
    for labels, value in samples:
        if len(labels) == len(family.labels) + 1 and labels[-1] in bounds:
            inside.setdefault(labels[:-1], {})[labels[-1]] = value
    for labels, counts in inside.items():
        below, buckets = 0.0, []
        for bound in bounds:
            below += counts.get(bound, 0.0)
            buckets.append((bound, below))
        made.add_metric(list(labels), buckets, sums.get(labels, 0.0))
    return made
