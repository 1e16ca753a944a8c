"""The same numbers as /metrics, sent by OpenTelemetry's SDK where its own environment says where to; else nothing of it is
imported. One process tells them for all, so that nothing is told twice.

Counters and gauges are observable instruments. For histograms there is none: theirs are laid beside at each export, as points
of the SDK's own kind.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lockgate.errors import StoreError
from lockgate.telemetry import otel
from lockgate.telemetry.families import FAMILIES, Family
from lockgate.telemetry.totals import ByName

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import Metric, MetricExporter

SCOPE = "lockgate"
HELD_S = 1.0
"""All instruments of one collection see one gathering."""
LAST_MS = 5_000.0
_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}
_log = logging.getLogger("lockgate.meters")


class Meters:
    """The metrics of one workspace's processes, sent behind the calls' backs."""

    def __init__(
        self,
        gather: Callable[[], ByName],
        exporters: Sequence[MetricExporter],
        release: str,
        environment: Mapping[str, str],
    ) -> None:
        """gather: `Reporter.all`; exporters: each is told as often as OTEL_METRIC_EXPORT_INTERVAL says."""
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        from lockgate.telemetry.histograms import Joined

        self._gather = gather
        self._gathered: ByName = {}
        self._gathered_at = float("-inf")
        self._began_ns = time.time_ns()
        readers = [PeriodicExportingMetricReader(Joined(exporter, SCOPE, self.histograms)) for exporter in exporters]
        provider = MeterProvider(metric_readers=readers, resource=otel.resource(release, environment))
        self._provider: MeterProvider = provider
        self._observe(release)

    @classmethod
    def configured(
        cls, gather: Callable[[], ByName], release: str, environment: Mapping[str, str] | None = None
    ) -> Meters | None:
        """None where nothing asks for metrics; also, and said in the log, where what is asked for is not installed."""
        environment = os.environ if environment is None else environment
        names = otel.exporters(environment, "metrics")
        if not names:
            return None
        if not otel.is_installed():
            _log.error("Metrics are asked for by the environment, and cannot be sent: pip install 'lockgate[otel]'.")
            return None
        if environment.get(_TEMPORALITY, "cumulative").strip().lower() != "cumulative":
            _log.warning("Metrics are cumulative whatever %s says: a collector can make deltas of them.", _TEMPORALITY)
        found = [exporter for name in names if (exporter := _exporter(name)) is not None]
        return cls(gather, found, release, environment) if found else None

    def flush(self) -> None:
        """Tell all exporters what there is now."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send the last of it; a receiver that is away holds nobody up for long."""
        self._provider.shutdown(timeout_millis=LAST_MS)

    def histograms(self) -> list[Metric]:
        """Those that have counted anything, as the SDK's own points."""
        from lockgate.telemetry.histograms import metric

        told, now_ns = self._now(), time.time_ns()
        return [
            metric(family, told[family.name], since_ns=self._began_ns, now_ns=now_ns)
            for family in FAMILIES.values()
            if family.kind == "histogram" and told.get(family.name)
        ]

    def _observe(self, release: str) -> None:
        meter = self._provider.get_meter(SCOPE, release)
        for family in FAMILIES.values():
            more: dict[str, Any] = {"unit": unit(family), "description": family.help}
            if family.kind == "counter":
                meter.create_observable_counter(family.name, callbacks=[self._callback(family)], **more)
            elif family.kind == "gauge":
                meter.create_observable_gauge(family.name, callbacks=[self._callback(family)], **more)

    def _callback(self, family: Family) -> Callable[[CallbackOptions], Iterable[Observation]]:
        from opentelemetry.metrics import Observation

        def observed(_: CallbackOptions) -> Iterable[Observation]:
            cells = self._now().get(family.name, {})
            return [Observation(cell[0], attributes(family, labels)) for labels, cell in cells.items()]

        return observed

    def _now(self) -> ByName:
        """A disk that refuses to be read leaves what was read last."""
        if time.monotonic() - self._gathered_at > HELD_S:
            self._gathered_at = time.monotonic()
            try:
                self._gathered = self._gather()
            except StoreError as error:
                _log.warning("The metrics are as they were: %s", error)
        return self._gathered


def attributes(family: Family, labels: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(family.labels, labels, strict=True))


def unit(family: Family) -> str:
    """By UCUM, as its name ends; a count has none. Receivers that name series as Prometheus does find our names again."""
    word = family.name.removesuffix("_total").rpartition("_")[2]
    return _UNITS.get(word, "")


def _exporter(name: str) -> MetricExporter | None:
    from opentelemetry.sdk.metrics.export import MetricExporter

    found = otel.exporter(name, "metrics", _log)
    if found is not None and not isinstance(found, MetricExporter):
        _log.error("No metrics go to %r, which is asked rather than told: /metrics is for that.", name)
        return None
    return found
