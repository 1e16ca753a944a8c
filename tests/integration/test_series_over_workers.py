"""/metrics of a real server: any worker answers for all, and no counter goes down when one is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(url: str) -> tuple[Told, set[str]]:
    """On a connection of its own, so that either worker may answer: the samples, and which of them are counters."""
    families = list(text(httpx.get(f"{url}/metrics", timeout=10).raise_for_status().text))
    samples = {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}
    counters = {s.name for f in families if f.type in ("counter", "histogram") for s in f.samples}
    return samples, counters


def value(told: Told, name: str, **labels: str) -> float:
    """The sum over what these labels leave open."""
    return sum(number for (own, found), number in told.items() if own == name and frozenset(labels.items()) <= found)


def ask(url: str, *rows: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.post(f"{url}/predict/late", json={"rows": list(rows) or [ROW], **more}, timeout=10)


@pytest.fixture
def published(project):
    project.publish(project.add_constant("first", 0.1))
    return project


def test_every_worker_tells_the_counts_of_all(published, until):
    with published.serving(workers=2) as server:
        until(lambda: value(scraped(server.url)[0], "lockgate_workers_ready") == 2, "both workers")
        for _ in range(12):
            assert ask(server.url).status_code == 200
        assert ask(server.url, ROW, ROW | {"wait": 99.0}).status_code == 200
        until(lambda: value(scraped(server.url)[0], "lockgate_requests_total") == 14, "every worker's counts")
        seen = [value(scraped(server.url)[0], "lockgate_requests_total", model="late", result="ok") for _ in range(10)]
        told, _ = scraped(server.url)
        # The calls were spread over both, or the sum would show nothing.
        files = list((published.home / "series").glob("worker-*.msgpack"))
    assert set(seen) == {14.0}
    assert len(files) == 2
    assert value(told, "lockgate_http_requests_total", route="/predict/{model}", status="200") == 13
    assert value(told, "lockgate_request_duration_seconds_count", route="/predict/{model}", model="late") == 13
    assert value(told, "lockgate_contract_violations_total", column="wait", result="flagged") == 1
    assert value(told, "lockgate_workers_up") == value(told, "lockgate_workers_wanted") == 2
    assert value(told, "lockgate_process_resident_memory_bytes", process="worker") > 10e6


def test_no_counter_goes_down_when_a_worker_is_killed_and_replaced(published, until):
    with published.serving(workers=2) as server:
        until(lambda: value(scraped(server.url)[0], "lockgate_workers_up") == 2, "both workers")
        before: Told = {}
        asked = 0
        for round_ in range(2):
            for _ in range(10):
                asked += ask(server.url).status_code == 200
            time.sleep(1.2)  # what is older than a second is not lost
            victim = server.state()["workers"][round_ % 2]
            os.kill(victim, signal.SIGKILL)
            give_up = time.monotonic() + 20
            while victim in server.state()["workers"] or value(before, "lockgate_workers_up") < 2:
                assert time.monotonic() < give_up
                try:
                    told, counters = scraped(server.url)
                except httpx.TransportError:  # it was in the hands of the one that was killed
                    continue
                for sample, number in before.items():
                    assert sample[0] not in counters or told.get(sample, -1.0) >= number, sample
                before = told
            assert value(before, "lockgate_requests_total") == asked
        assert value(before, "lockgate_process_starts_total", process="worker") == 2 + 2
        until(
            lambda: len(list((published.home / "series").glob("worker-*.msgpack"))) == 2, "the dead ones' files to go"
        )


def test_counts_go_on_when_the_server_is_started_again(published):
    for calls in (1, 2):
        with published.serving() as server:
            assert ask(server.url).status_code == 200
            told, _ = scraped(server.url)
            assert value(told, "lockgate_requests_total") == calls
            assert value(told, "lockgate_workers_up") == 1


def test_refusals_are_counted_by_names_that_there_are_whatever_a_caller_makes_up(published):
    with published.serving() as server:
        assert ask(server.url, {**ROW, "wait": "x"}).status_code == 422
        assert ask(server.url, {**ROW, "made_up": 1}).status_code == 422
        assert httpx.post(f"{server.url}/predict/made_up", json={"rows": [ROW]}).status_code == 404
        assert httpx.get(f"{server.url}/made/up").status_code == 404
        lines = b'{"wait": 1.0, "seats": 1, "carrier": "AA", "plane": null}\n{"wait": "x"}\n'
        kind = {"Content-Type": "application/x-ndjson"}
        assert httpx.post(f"{server.url}/predict/late", content=lines, headers=kind).status_code == 200
        body = httpx.get(f"{server.url}/metrics").text
        told, _ = scraped(server.url)
    assert "made_up" not in body
    assert "/made/up" not in body
    assert value(told, "lockgate_refusals_total", model="late", code="contract") == 3
    assert value(told, "lockgate_refusals_total", model="", code="not_found") == 1
    assert value(told, "lockgate_contract_violations_total", column="wait", result="refused") == 2
    assert value(told, "lockgate_contract_violations_total", column="(unknown)", result="refused") == 1
    assert value(told, "lockgate_http_requests_total", route="(unknown)", status="404") == 1
    assert value(told, "lockgate_requests_total") == 1


def test_a_version_that_fails_is_seen_by_its_reason(project):
    project.publish(project.add_constant("first", 0.1, "boom"))
    with project.serving() as server:
        assert ask(server.url, ROW, ROW | {"wait": 7.0}).json()["predictions"][1]["failure"] == "raised"
        told, _ = scraped(server.url)
    assert (
        value(told, "lockgate_requests_total", result="ok")
        == value(told, "lockgate_requests_total", result="fallback")
        == 1
    )
    assert value(told, "lockgate_fallback_total", model="late", reason="raised") == 1


def test_a_version_whose_child_dies_is_seen_to_start_again(project, until):
    version = project.add_constant("first", 0.1, "boom")
    project.publish(version)
    labels = {"model": "late", "version": version}
    with project.serving() as server:
        told, _ = scraped(server.url)
        assert value(told, "lockgate_model_process_starts_total", **labels) == 1
        assert value(told, "lockgate_model_process_resident_memory_bytes", **labels) > 10e6
        assert value(told, "lockgate_breaker_open", **labels) == 0
        (child,) = children(server.state()["workers"][0])
        time.sleep(2)  # a child that dies sooner is not replaced at once
        os.kill(child, signal.SIGKILL)
        until(lambda: ask(server.url).json()["predictions"][0]["failure"] is None, "the next child", within_s=20)
        told, _ = scraped(server.url)
    assert value(told, "lockgate_model_process_starts_total", **labels) == 2
    assert value(told, "lockgate_fallback_total", model="late", reason="gone") >= 1


def children(pid: int) -> list[int]:
    listed = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [one for one in listed if parent_of(one) == pid]


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    except OSError:
        return None


def test_openmetrics_is_given_to_whoever_asks_for_it(served):
    _, server = served
    accept = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"}
    answer = server.client.get(f"{server.url}/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert {family.name for family in openmetrics(answer.text)} >= {"lockgate_http_requests", "lockgate_workers_up"}


def test_the_control_process_tells_evidence_and_the_loop(serving, until):
    _, server = serving
    until(lambda: value(scraped(server.url)[0], "lockgate_loop_turned_timestamp_seconds") > 0, "a turn of the loop")
    for url in (server.url, server.pages):
        told, _ = scraped(url)
        assert abs(value(told, "lockgate_loop_turned_timestamp_seconds") - time.time()) < 30
        assert 0 < value(told, "lockgate_alpha_spent_ratio", model="tide") < 1
        assert value(told, "lockgate_traffic_share", model="tide", arm="champion") == 1
        assert value(told, "lockgate_process_starts_total", process="control") == 1
        assert value(told, "lockgate_workers_up") == 1
