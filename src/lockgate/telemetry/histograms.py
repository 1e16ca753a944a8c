"""Histograms of ours as points of OpenTelemetry's SDK, and an exporter that gets them beside the rest. Imports the SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.metrics import ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

from lockgate.telemetry.families import BOUNDS_S, Family

_UNKNOWN: Any = None  # least and greatest: OTLP lets them be left out, the SDK's type does not


class Joined(MetricExporter):
    """Around another exporter: what the SDK collected, with our histograms in our own scope.

    Always cumulative: the counts are of all processes that ever were, and a first delta would hold them all.
    """

    def __init__(self, inner: MetricExporter, scope: str, histograms: Callable[[], Sequence[Metric]]) -> None:
        super().__init__(preferred_temporality={ObservableCounter: AggregationTemporality.CUMULATIVE})
        self._inner: Any = inner  # the SDK leaves the types of what it hands on open
        self._scope, self._histograms = scope, histograms

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **more: Any) -> MetricExportResult:
        found = self._histograms()
        resources = [
            replace(
                told,
                scope_metrics=[
                    replace(part, metrics=[*part.metrics, *found]) if part.scope.name == self._scope else part
                    for part in told.scope_metrics
                ],
            )
            for told in metrics_data.resource_metrics
        ]
        told: MetricExportResult = self._inner.export(MetricsData(resource_metrics=resources), timeout_millis, **more)
        return told

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return bool(self._inner.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **more: Any) -> None:
        self._inner.shutdown(timeout_millis, **more)


def metric(family: Family, cells: Mapping[tuple[str, ...], Sequence[float]], *, since_ns: int, now_ns: int) -> Metric:
    """One histogram with a point for each set of labels. since_ns, now_ns: wall time since 1970."""
    points = [
        HistogramDataPoint(
            attributes=dict(zip(family.labels, labels, strict=True)),
            start_time_unix_nano=since_ns,
            time_unix_nano=now_ns,
            count=int(sum(numbers[:-1])),
            sum=numbers[-1],
            bucket_counts=[int(count) for count in numbers[:-1]],
            explicit_bounds=BOUNDS_S,
            min=_UNKNOWN,
            max=_UNKNOWN,
        )
        for labels, numbers in cells.items()
    ]
    data = Histogram(data_points=points, aggregation_temporality=AggregationTemporality.CUMULATIVE)
    return Metric(name=family.name, description=family.help, unit="s", data=data)
