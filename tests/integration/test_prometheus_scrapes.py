"""A real Prometheus over a real server: what it stores is what was asked, through a killed worker as well."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
RULES = Path(__file__).resolve().parents[2] / "examples" / "prometheus" / "lockgate.rules.yml"
CONFIG = """
global: {{scrape_interval: 500ms, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: lockgate
    static_configs: [{{targets: ["{target}"]}}]
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"),
]


class Prometheus:
    def __init__(self, folder: Path, target: str) -> None:
        (folder / "prometheus.yml").write_text(CONFIG.format(rules=RULES, target=target))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        argv = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
        with (folder / "prometheus.out").open("wb") as said:
            self.process = subprocess.Popen(
                [*argv, f"--web.listen-address=127.0.0.1:{port}"], stdout=said, stderr=said, cwd=folder
            )

    def ask(self, query: str) -> list[float]:
        try:
            answer = httpx.get(f"{self._url}/api/v1/query", params={"query": query}, timeout=5).raise_for_status()
        except httpx.HTTPError:  # it is starting
            return []
        return [float(one["value"][1]) for one in answer.json()["data"]["result"]]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def test_it_stores_what_was_asked_and_sees_no_reset_when_a_worker_is_killed(project, tmp_path, until):
    project.publish(project.add_constant("first", 0.1))
    with project.serving(workers=2) as server:
        scraper = Prometheus(tmp_path, server.url.removeprefix("http://"))
        try:
            until(lambda: scraper.ask("lockgate_workers_ready") == [2.0], "a first scrape", within_s=30)
            asked = 0
            for _ in range(3):
                for _ in range(20):
                    asked += httpx.post(f"{server.url}/predict/late", json={"rows": [ROW, ROW]}).status_code == 200
                time.sleep(1.5)
                victim = server.state()["workers"][0]
                os.kill(victim, signal.SIGKILL)
                until(lambda gone=victim: gone not in server.state()["workers"], "the replacement")
            until(lambda: scraper.ask("sum(lockgate_requests_total)") == [2.0 * asked], "the last scrape", within_s=15)
            assert scraper.ask("sum(resets(lockgate_requests_total[1m]))") == [0.0]
            assert scraper.ask("sum(resets(lockgate_request_duration_seconds_count[1m]))") == [0.0]
            started = 'lockgate_process_starts_total{process="worker"}'
            until(lambda: scraper.ask(started) == [2.0 + 3.0], "the last replacement's first word")
            # No control process is here, and its alert is on its way; the callers saw nothing to wake somebody for.
            until(lambda: scraper.ask('ALERTS{alertname="LockgateLoopStands"}') == [1.0], "the alert", within_s=15)
            callers = "LockgateFallbackRate|LockgateServerErrors|LockgateBusy|LockgatePredictionsLost"
            assert scraper.ask(f'ALERTS{{alertname=~"{callers}"}}') == []
        finally:
            scraper.close()
