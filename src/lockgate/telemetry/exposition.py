"""All processes' numbers as Prometheus reads them. `prometheus_client` writes the form; it is imported when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lockgate.telemetry.families import BOUNDS_S, FAMILIES, Family
from lockgate.telemetry.totals import ByName, Labels

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class SeriesCollector:
    """For a registry of `prometheus_client`, a service's own for one. gather: `Reporter.all`."""

    def __init__(self, gather: Callable[[], ByName]) -> None:
        self._gather = gather

    def collect(self) -> Iterable[Metric]:
        told = self._gather()
        for name, family in FAMILIES.items():
            if name in told:
                yield _metric(family, told[name])


def exposition(gathered: ByName, accept: str) -> tuple[bytes, str]:
    """The body and its content type. accept: the request's header; text where it asks for nothing known."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    registry.register(SeriesCollector(lambda: gathered))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _metric(family: Family, cells: dict[Labels, list[float]]) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    match family.kind:
        case "counter":
            counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
            for labels, (value,) in sorted(cells.items()):
                counter.add_metric(labels, value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for labels, (value,) in sorted(cells.items()):
                gauge.add_metric(labels, value)
            return gauge
        case "histogram":
            histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
            for labels, numbers in sorted(cells.items()):
                histogram.add_metric(labels, _buckets(numbers), numbers[-1])
            return histogram


def _buckets(numbers: list[float]) -> list[tuple[str, float]]:
    """Each bound with the count up to it, as the form wants it."""
    found: list[tuple[str, float]] = []
    so_far = 0.0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), numbers, strict=False):
        so_far += count
        found.append((bound, so_far))
    return found
