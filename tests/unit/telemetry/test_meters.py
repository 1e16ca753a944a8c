"""Metrics through OpenTelemetry's SDK: the numbers of /metrics, once, and nothing where nobody asks."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

export = pytest.importorskip("opentelemetry.sdk.metrics.export", reason="the extra [otel] is not installed")

from lockgate.errors import StoreError  # noqa: E402 - behind what may be missing
from lockgate.telemetry.families import FAMILIES, WIDTH  # noqa: E402
from lockgate.telemetry.meters import Meters, unit  # noqa: E402
from lockgate.telemetry.totals import ByName  # noqa: E402


def everything(times: float = 1.0) -> ByName:
    return {
        name: {
            tuple(f"a {label}" for label in family.labels): [times * (place + 1) for place in range(WIDTH)]
            if family.kind == "histogram"
            else [times]
        }
        for name, family in FAMILIES.items()
    }


def sent(gathered: list[ByName]) -> list[dict[str, Any]]:
    """By the SDK's own console exporter, each export as it wrote it. gathered: one more at each flush."""
    out = io.StringIO()
    left = list(gathered)
    meters = Meters(lambda: left[0], [export.ConsoleMetricExporter(out)], "1.0", {})
    for n, _ in enumerate(gathered):
        meters.flush()
        left[:] = gathered[n + 1 :] or left
        meters._gathered_at = float("-inf")  # the next collection is in a later second
    meters.close()
    found, at = [], 0
    while at < len(out.getvalue()):
        told, end = json.JSONDecoder().raw_decode(out.getvalue(), at)
        found.append(told)
        at = end + len(out.getvalue()[end:]) - len(out.getvalue()[end:].lstrip())
    return found


def metrics(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (resource,) = told["resource_metrics"]
    (scope,) = resource["scope_metrics"]
    assert scope["scope"]["name"] == "lockgate"
    return {metric["name"]: metric for metric in scope["metrics"]}


def test_every_series_is_sent_once_under_its_own_name_with_its_labels():
    found = metrics(sent([everything()])[0])
    assert set(found) == set(FAMILIES)
    for name, family in FAMILIES.items():
        (point,) = found[name]["data"]["data_points"]
        assert point["attributes"] == {label: f"a {label}" for label in family.labels}
        assert found[name]["unit"] == unit(family)
        if family.kind == "counter":
            assert found[name]["data"]["is_monotonic"]
            assert point["value"] == 1.0
        elif family.kind == "histogram":
            assert point["bucket_counts"] == list(range(1, WIDTH))
            assert point["count"] == sum(range(1, WIDTH))
            assert point["sum"] == WIDTH


def test_counts_are_cumulative_at_each_export():
    first, second, *_ = sent([everything(), everything(3.0)])
    counted = [metrics(told)["lockgate_requests_total"]["data"]["data_points"][0]["value"] for told in (first, second)]
    assert counted == [1.0, 3.0]
    buckets = [
        metrics(told)["lockgate_call_duration_seconds"]["data"]["data_points"][0]["count"] for told in (first, second)
    ]
    assert buckets[1] == 3 * buckets[0]


def test_the_encoder_of_otlp_takes_all_of_it():
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.metrics_encoder")
    taken: list[Any] = []

    class Taking(export.MetricExporter):
        def export(self, metrics_data: Any, *_: Any, **__: Any) -> Any:
            taken.append(encoder.encode_metrics(metrics_data))
            return export.MetricExportResult.SUCCESS

        def force_flush(self, *_: Any) -> bool:
            return True

        def shutdown(self, *_: Any, **__: Any) -> None:
            """Nothing is held."""

    meters = Meters(everything, [Taking()], "1.0", {})
    meters.close()
    (scope,) = taken[-1].resource_metrics[0].scope_metrics
    named = {metric.name: metric for metric in scope.metrics}
    assert set(named) == set(FAMILIES)
    (point,) = named["lockgate_request_duration_seconds"].histogram.data_points
    assert (point.HasField("min"), list(point.bucket_counts)) == (False, list(range(1, WIDTH)))


def test_a_disk_that_refuses_leaves_what_was_told_last():
    state = {"is_refusing": False}

    def gather() -> ByName:
        if state["is_refusing"]:
            raise StoreError("The series cannot be read.")
        return everything()

    out = io.StringIO()
    meters = Meters(gather, [export.ConsoleMetricExporter(out)], "1.0", {})
    meters.flush()
    state["is_refusing"] = True
    meters._gathered_at = float("-inf")
    out.truncate(0)
    out.seek(0)
    meters.flush()
    told, _ = json.JSONDecoder().raw_decode(out.getvalue())
    assert set(metrics(told)) == set(FAMILIES)
    meters.close()


LOOK = """
import sys
from lockgate.telemetry.meters import Meters
found = Meters.configured(dict, "1.0")
print(found is not None, any(name.split(".")[0] == "opentelemetry" for name in sys.modules))
if found is not None:
    found.close()
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "False False"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "False False"),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "False False"),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_METRICS_EXPORTER": "console"}, "False False"),
        ({"OTEL_METRICS_EXPORTER": "made_up"}, "False True"),
        ({"OTEL_METRICS_EXPORTER": "console"}, "True True"),
    ],
    ids=str,
)
def test_nothing_is_imported_where_nothing_is_asked_for(environment, expected):
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, env={"PYTHONPATH": path} | environment
    )
    assert done.stdout.splitlines()[0] == expected


AWAY = """
import time
from lockgate.telemetry.meters import LAST_MS, Meters
found = Meters.configured(dict, "1.0")
began = time.monotonic()
found.close()
print(time.monotonic() - began < 2 * LAST_MS / 1000)
"""


def test_a_receiver_that_is_away_holds_nobody_up_for_long():
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    path = ":".join(entry for entry in sys.path if entry)
    environment = {"PYTHONPATH": path, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", AWAY], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "True"
