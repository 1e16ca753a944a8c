"""Worker processes on loopback while the routing moves, versions break, and the disk refuses."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lockgate.records import Shadow

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}


def test_a_challenger_takes_its_share_and_shadows_the_rest(project, until: Callable[..., None]):
    champion, challenger = project.add_fitted(), project.add_constant("challenger", 0.9)
    project.publish(champion, challenger=challenger, share=0.5, shadow=True, salt="s", rollout="r7")
    with project.serving() as server:
        told = [server.predict(ROW, unit=f"u{n}", id=f"q{n}").json()["predictions"][0] for n in range(40)]
        again = server.predict(ROW, unit="u3", id="q3").json()["predictions"][0]
        assert again == told[3]
        until(lambda: sum(isinstance(e, Shadow) for e in project.log()) >= 40, "40 shadows")
    arms = {p["id"]: p["arm"] for p in told}
    assert 5 < list(arms.values()).count("challenger") < 35
    assert all(p["version"] == (champion if p["arm"] == "champion" else challenger) for p in told)
    shadows = [e for e in project.log() if isinstance(e, Shadow)]
    assert sorted(s.id for s in shadows) == sorted(arms)
    for shadow in shadows:
        assert shadow.version == (challenger if arms[shadow.id] == "champion" else champion)
        assert shadow.rollout == "r7"
        assert shadow.failure is None


def test_calls_without_an_id_are_drawn_once_whichever_way_answers_them(project):
    # The champion has a quick way and the challenger has none: drawn again there, half of its calls would be the champion's.
    champion, challenger = project.add_fitted(), project.add_constant("challenger", 0.9)
    project.publish(champion, challenger=challenger, share=0.5, salt="s", rollout="r7")
    with project.serving() as server:
        told = [server.predict(ROW).json()["predictions"][0] for _ in range(400)]
    challenged = sum(one["arm"] == "challenger" for one in told)
    assert 150 < challenged < 250, challenged  # five standard errors; a second draw leaves some hundred


@pytest.mark.parametrize(
    ("step", "row", "failure"),
    [
        ("boom", ROW | {"wait": 6.0}, "raised"),
        ("hang", ROW, "late"),
        ("leave", ROW, "raised"),
    ],
)
def test_a_version_that_gives_no_answer_is_answered_for_and_labelled(project, step, row, failure):
    broken, baseline = project.add_constant("broken", 0.9, step), project.add_constant("baseline", 0.4)
    project.publish(broken, baseline=baseline, deadline_ms=150.0)
    with project.serving() as server:
        told = server.predict(row).json()["predictions"][0]
        assert (told["value"], told["served_by"], told["version"]) == (0.4, baseline, broken)
        assert told["failure"] == failure
        assert server.get("/readyz").status_code == 200


def test_one_bad_row_does_not_take_its_neighbours_along(project):
    broken = project.add_constant("broken", 0.9, "boom")
    project.publish(broken)
    with project.serving() as server:
        rows = [ROW | {"wait": wait} for wait in (1.0, 9.0, 2.0)]
        told = server.predict(*rows).json()["predictions"]
    assert [(p["value"], p["served_by"], p["failure"]) for p in told] == [
        (0.9, broken, None),
        (0.23, "constant", "raised"),
        (0.9, broken, None),
    ]


def test_a_new_routing_is_taken_up_within_a_second_and_a_broken_one_never(project, until: Callable[..., None]):
    first, second = project.add_constant("first", 0.1), project.add_constant("second", 0.2)
    project.publish(first)
    with project.serving() as server:
        project.publish(second, revision=2, previous=first)
        until(lambda: server.predict(ROW).json()["predictions"][0]["value"] == 0.2, "the new champion", within_s=1.0)
        project.publish("f" * 64, revision=3)
        until(lambda: "late" in server.get("/readyz").json()["problems"], "the problem to be told")
        assert server.predict(ROW).json()["predictions"][0]["value"] == 0.2
        (project.home / "routing" / "late.json").write_bytes(b"{torn")
        assert server.predict(ROW).json()["predictions"][0]["value"] == 0.2
        project.publish(first, revision=4)
        until(lambda: server.predict(ROW).json()["predictions"][0]["value"] == 0.1, "the way back", within_s=1.0)
        until(lambda: server.get("/readyz").json()["problems"] == {}, "the problem to be gone")


def test_calls_are_answered_while_the_log_cannot_be_written_and_logged_afterwards(project):
    project.publish(project.add_constant("first", 0.1))
    (project.home / "log").write_text("in the way")
    with project.serving() as server:
        assert server.predict(ROW, id="spilled").status_code == 200
        assert server.get("/readyz").json()["log"] == {"spilled": 1, "dropped": 0}
        (project.home / "log").unlink()
    assert [entry.id for entry in project.log()] == ["spilled-0"]


def test_a_way_back_that_comes_while_versions_load_is_taken_up_and_what_it_left_never_is(
    project, tmp_path, monkeypatch, until: Callable[..., None]
):
    from lockgate.workspace.dataplane import DataPlane

    (tmp_path / "lockgate_slow_rule.py").write_text("import time\n\ntime.sleep(1.0)\n\n\ndef rule(table): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    first, second = project.add_constant("first", 0.1), project.add_constant("second", 0.2)
    project.publish(first)
    plane = DataPlane(project.home)
    plane.refresh()
    project.publish(second, revision=2, previous=first, chain=("lockgate_slow_rule:rule", "constant"))
    seen: list[int] = []
    taking_up = threading.Thread(target=plane.refresh)
    taking_up.start()
    until(lambda: "lockgate_slow_rule" in sys.modules, "the rule's import")
    project.publish(first, revision=3)
    while taking_up.is_alive():
        seen.append(plane.models["late"].routing.revision)
    taking_up.join()
    assert plane.models["late"].routing.revision == 3
    assert set(seen) <= {1, 3}
    plane.close()
