"""The way back rehearsed: on the workers that serve, under load of its own, and on own workers where nobody serves."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from msgspec import structs

from lockgate.errors import SpecError
from lockgate.records import Drill, Prediction, digest
from lockgate.records.drill import drill_name
from lockgate.runtime.folder import CONTRACT, MANIFEST, put, seal, verify

TIDE = "tide"


def promoted(workshop: Any) -> tuple[str, str]:
    """A second champion, so that there is a way back: put there by hand, as a finished rollout leaves it."""
    workspace = workshop.open()
    before = workshop.versions["trees"]
    workspace.rollback(TIDE, to=workshop.versions["rival"], reason="the rival is the champion now", by="the tests")
    workspace.close()
    return workshop.versions["rival"], before


class Callers:
    """Somebody's own calls, all the while."""

    def __init__(self, url: str, row: dict[str, Any]) -> None:
        self.answers: list[tuple[int, str]] = []
        self._url, self._row, self._stop = url, row, threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> Callers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _call(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._stop.is_set():
                came = client.post(f"{self._url}/predict/{TIDE}", json={"rows": [self._row]})
                told = came.json()["predictions"][0]["version"] if came.status_code == 200 else ""
                self.answers.append((came.status_code, told))
                time.sleep(0.01)


def test_a_drill_on_the_running_server_is_quick_refuses_nobody_and_changes_no_callers_answer(workshop):
    champion, before = promoted(workshop)
    with workshop.serving(workers=2) as server, Callers(server.url, workshop.row()) as callers:
        done = workshop.run("rollback", TIDE, "--drill", "--times", "5", "--json")
        assert server.client.post(f"{server.url}/predict/{drill_name(TIDE)}", json={"rows": []}).status_code == 404
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["ruling"], told["on"], told["workers"]) == ("pass", "server", 2)
    assert (told["leaves"], told["to"]) == (champion, before)
    assert (told["refused"], told["cut"], told["astray"], told["fell_back"]) == (0, 0, 0, 0)
    assert len(told["back_ms"]) == len(told["there_ms"]) == 5
    assert 0 < max(told["back_ms"]) < 1000
    assert told["calls"] > 100
    assert Counter(callers.answers).keys() == {(200, champion)}
    logged = [entry for entry in workshop.log() if isinstance(entry, Prediction)]
    assert len(logged) == len(callers.answers)
    assert not [entry.id for entry in logged if "drill" in entry.id or entry.model != TIDE]
    workspace = workshop.open()
    (kept,) = workspace.wiring.records.all(Drill, TIDE)
    assert kept.id == told["id"]
    assert workspace.wiring.records.entries()[-1].kind == "drill"
    assert workspace.why(kept.id).lines[0] == kept.sentence
    assert workspace.wiring.board.models() == (TIDE,)
    workspace.close()


def test_without_a_server_the_drill_starts_workers_of_its_own_and_takes_them_away(workshop):
    promoted(workshop)
    left = workshop.root / ".lockgate.drill-999999999"
    left.mkdir()
    done = workshop.run("rollback", TIDE, "--drill", "--times", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["1", "2", "3"]
    assert all("█" in line or "▏" in line or "▌" in line or "ms" in line for line in lines[:3])
    assert lines[3].startswith("PASS  The way back of tide, rehearsed 3 times on its own")
    assert "refused: 0; cut: 0" in done.stdout
    assert lines[-1].startswith("next: lockgate why d")
    assert [path.name for path in workshop.root.glob(".lockgate.*")] == []
    assert not (workshop.home / "server.json").exists()


def test_a_version_that_the_workers_do_not_hold_fails_the_drill_by_name(workshop):
    promoted(workshop)
    noise = workshop.versions["noise"]
    with workshop.serving(workers=1):
        done = workshop.run("rollback", TIDE, "--drill", "--times", "2", "--to", noise)
    assert done.returncode == 1
    assert f"Version {noise[:6]} is not loaded at the worker" in done.stdout
    assert "so the way back would wait for it" in done.stdout


def test_a_damaged_previous_champion_fails_the_drill_with_its_problem(workshop):
    _, before = promoted(workshop)
    folder = workshop.home / "versions" / before
    manifest = next(folder.glob("native/*"))
    manifest.chmod(0o644)
    manifest.write_bytes(b"changed")
    done = workshop.run("rollback", TIDE, "--drill", "--times", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"Version {before[:6]} is not loaded" in done.stdout


def test_with_no_way_back_there_is_nothing_to_rehearse(workshop):
    done = workshop.run("rollback", TIDE, "--drill")
    assert done.returncode == 3
    assert "no earlier champion" in done.stderr


def test_one_drill_of_a_model_at_a_time(workshop):
    promoted(workshop)
    workspace = workshop.open()
    assert workspace.wiring.lease.acquire(f"drill {TIDE}", "another", now_s=time.time(), for_s=60)
    workspace.close()
    done = workshop.run("rollback", TIDE, "--drill")
    assert done.returncode == 3
    assert "Another drill of tide is under way" in done.stderr


def test_a_version_that_asks_for_a_number_where_callers_send_text_is_refused_at_the_start_by_name(workshop):
    workspace = workshop.open()
    rival = workspace.version(workshop.versions["rival"])
    folder = workshop.root / "numbered"
    shutil.copytree(workshop.home / "versions" / rival.id, folder)
    manifest = verify(folder, rival.id)
    (folder / MANIFEST).chmod(0o644)
    (folder / MANIFEST).unlink()
    contract = workspace.wiring.contract(rival.id)
    columns = tuple(
        structs.replace(column, type="int", levels=None) if column.name == "colour" else column
        for column in contract.columns
    )
    (folder / CONTRACT).chmod(0o644)
    put(folder, CONTRACT, structs.replace(contract, columns=columns))
    told = {name: getattr(manifest, name) for name in ("model", "name", "role", "format", "task", "lineage", "inputs")}
    numbered = digest(seal(folder, **told))
    workspace.wiring.folders.add(numbered, folder)
    workspace.wiring.records.write(structs.replace(rival, id=numbered))
    with pytest.raises(SpecError, match="Column 'colour' is text in one contract and int in the other"):
        workspace.rollout(numbered, by="the tests", anyway=True, dirty=True)
    assert workspace.wiring.board.read(TIDE).challenger is None
    workspace.close()


@pytest.fixture(autouse=True)
def _no_left_overs(workshop):
    yield
    shutil.rmtree(workshop.root / ".lockgate.drill-999999999", ignore_errors=True)
