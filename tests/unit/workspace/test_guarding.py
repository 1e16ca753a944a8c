"""The door: what it keeps of a function, what it refuses, what it writes down."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import math
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lockgate as lg
from lockgate.errors import ContractError, NotFound, SpecError
from lockgate.records import Outcome, Prediction, Routing, Shadow
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.segments import SegmentLog
from lockgate.workspace.guard_log import log_of
from lockgate.workspace.naming import version_of

HANDLES = Path("/proc/self/fd")


@pytest.fixture
def home(tmp_path):
    made = tmp_path / ".lockgate"
    made.mkdir()
    yield made
    log_of(made).close()


def entries(home: Path, kind):
    return [entry for entry in SegmentLog(home / "log").read()[0] if isinstance(entry, kind)]


def soon(look, seconds=5.0):
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.01)
    return found


def guarded(function=lambda _: 0.7, **more):
    told = {"fallback": [0.23], "task": "binary", "version": "v1"} | more
    return lg.guard(told.pop("model", "late"), **told)(function)


class TestWhatItKeeps:
    def test_name_docstring_signature_and_kind(self):
        async def predict(row: dict, *, fast: bool = False) -> float:
            """The chance."""
            return 0.5

        wrapped = guarded(predict)
        assert (wrapped.__name__, wrapped.__doc__, wrapped.__module__) == ("predict", "The chance.", __name__)
        assert inspect.signature(wrapped) == inspect.signature(predict)
        assert inspect.iscoroutinefunction(wrapped)
        assert inspect.iscoroutinefunction(wrapped.answer)
        assert inspect.isfunction(wrapped)

    def test_a_method_is_bound_as_any_function(self):
        class Model:
            weight = 0.5

            @lg.guard("late", fallback=[0.23], task="binary", deadline_ms=None)
            def predict(self, row):
                return self.weight * row

        assert Model().predict(1) == 0.5
        assert Model.predict.answer(Model(), 1).value == 0.5

    def test_the_answer_itself(self):
        held = {"p": 0.5}
        assert guarded(lambda: held, value=lambda found: found["p"], fallback=[{"p": 0.2}])() is held

    def test_partials_and_callable_objects(self):
        class Model:
            async def __call__(self, row):
                return row / 2

        async def scaled(by, row):
            return by * row

        assert asyncio.run(guarded(Model())(1)) == 0.5
        assert asyncio.run(guarded(functools.partial(scaled, 0.5))(1)) == 0.5

    def test_what_is_guarded_already_answers_by_the_outer_chain(self):
        inner = guarded(lambda _: 1 / 0, version="inner")
        outer = guarded(inner, fallback=[0.4], version="outer")
        assert outer.answer({}).version == "outer"
        assert inner.answer({}).version == "inner"

    def test_of_task_any_an_excuse_ends_the_chain_although_it_has_no_number(self):
        reply = guarded(lambda: 1 / 0, fallback=[None], task="any", value=len, valid=bool).answer()
        assert (reply.value, reply.failure) == (None, "raised")

    def test_arguments_that_cannot_be_looked_at_are_no_reason_not_to_answer(self, caplog):
        class Row:
            @property
            def plane(self):
                raise RuntimeError

        predict = guarded(lambda _: 0.7, unit="plane", id=lambda row: row.plane, inputs=["plane"])
        reply = predict.answer(Row())
        assert (reply.value, reply.prediction.unit, reply.prediction.inputs) == (0.7, reply.id, ())
        assert "could not be told" in caplog.text


class TestWhatItRefuses:
    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"fallback": []}, "ends in no constant"),
            ({"fallback": [len]}, "ends in no constant"),
            ({"fallback": 0.5}, "Give a list"),
            ({"fallback": "ab"}, "Give a list"),
            ({"fallback": [0.5, 0.6]}, "Only the last link"),
            ({"fallback": [1.5]}, "no valid answer itself"),
            ({"fallback": [None]}, "no valid answer itself"),
            ({"task": "multiclass"}, "not there yet"),
            ({"task": "binray"}, "Did you mean 'binary'"),
            ({"deadline_ms": 0}, "cannot be kept"),
            ({"deadline_ms": math.nan}, "cannot be kept"),
            ({"at_once": 0}, "at least one"),
            ({"share": 0.5}, "no challenger"),
            ({"shadow": True}, "no challenger"),
            ({"challenger": len, "share": 1.5}, "no share"),
            ({"challenger": len, "challenger_version": "v1"}, "Name them apart"),
            ({"model": "../up"}, "names no model"),
            ({"inputs": "wait"}, "Give a list of names"),
        ],
    )
    def test_what_cannot_be_is_said_where_it_is_written(self, wrong, said):
        with pytest.raises(SpecError, match=said):
            guarded(**wrong)

    def test_functions_that_answer_piece_by_piece(self):
        def words():
            yield "a"

        async def later():
            yield "a"

        for function in (words, later):
            with pytest.raises(SpecError, match="piece by piece"):
                guarded(function, fallback=[""], task="any")

    def test_a_workspace_that_is_not_there(self, tmp_path):
        with pytest.raises(NotFound, match="lockgate init"):
            guarded(workspace=tmp_path)


class TestTheLog:
    def test_a_call_and_its_outcome(self, home):
        predict = guarded(workspace=home.parent, unit="plane", inputs=["wait", "plane"])
        reply = predict.answer({"wait": 3.5, "plane": "N1"})
        assert predict.outcome(reply.id, 1, at=datetime(2026, 1, 2, tzinfo=UTC))
        (prediction,) = entries(home, Prediction)
        assert prediction == reply.prediction
        assert (prediction.unit, prediction.inputs, prediction.version) == ("N1", (3.5, "N1"), "v1")
        (outcome,) = entries(home, Outcome)
        assert (outcome.id, outcome.value, outcome.at_s) == (
            reply.id,
            1.0,
            datetime(2026, 1, 2, tzinfo=UTC).timestamp(),
        )

    def test_a_failure_is_logged_with_who_answered(self, home):
        guarded(lambda _: 1 / 0, workspace=home.parent)({})
        (prediction,) = entries(home, Prediction)
        assert (prediction.failure, prediction.served_by, prediction.value) == ("raised", "constant", 0.23)

    def test_an_error_of_the_callers_own_is_no_call(self, home):
        predict = guarded(int, workspace=home, raises=(ValueError,))
        with pytest.raises(ValueError, match="invalid literal"):
            predict("x")
        assert entries(home, Prediction) == []

    def test_the_same_id_is_answered_alike_and_logged_once(self, home):
        calls = []

        def count(row, key):
            calls.append((row, key))
            return 0.5

        predict = guarded(count, workspace=home, id="key")
        assert predict.answer(1, key="r1") == predict.answer(1, "r1")
        assert predict.answer(1, key="r1").id == "r1"
        assert (len(calls), len(entries(home, Prediction))) == (1, 1)

    def test_the_same_id_at_once_waits_for_the_first(self, home):
        calls = []

        async def slow(row):
            calls.append(row)
            await asyncio.sleep(0.05)
            return 0.5

        predict = guarded(slow, workspace=home, id="key")

        async def scene():
            return await asyncio.gather(*(predict.answer({"key": "r1"}) for _ in range(20)))

        assert {reply.id for reply in asyncio.run(scene())} == {"r1"}
        assert (len(calls), len(entries(home, Prediction))) == (1, 1)

    def test_a_first_that_is_cancelled_lets_the_next_one_ask(self, home):
        async def slow(row):
            await asyncio.sleep(0.1)
            return 0.5

        predict = guarded(slow, workspace=home, id="key")

        async def scene():
            first, second = (asyncio.create_task(predict.answer({"key": "r1"})) for _ in range(2))
            await asyncio.sleep(0.02)
            first.cancel()
            return await second

        assert asyncio.run(scene()).value == 0.5

    def test_an_id_that_is_a_number_is_written_as_its_text(self, home):
        predict = guarded(workspace=home)
        assert predict.outcome(7, 1.0)
        assert predict.outcome("half a pair \ud800", 1.0)
        predict.log.close()
        assert [outcome.id for outcome in entries(home, Outcome)] == ["7", "half a pair \\ud800"]

    @pytest.mark.parametrize("setting", ["version", "challenger_version"])
    def test_a_version_that_is_no_text_is_refused(self, home, setting):
        with pytest.raises(SpecError, match=rf"^{setting} is 3"):
            guarded(workspace=home, **{"challenger": lambda _: 0.5, setting: 3})

    def test_a_log_that_finds_no_thread_hurts_no_async_call(self, home, monkeypatch):
        async def predict(_):
            return 0.7

        start = threading.Thread.start

        def no_thread(thread):
            if thread.name == "log-look":
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", no_thread)
        called = guarded(predict, workspace=home)
        assert asyncio.run(called(1)) == 0.7
        called.log.close()
        assert len(entries(home, Prediction)) == 1

    def test_text_is_kept_as_a_digest_and_task_any_has_no_outcomes(self, home):
        chat = guarded(lambda text: text.upper(), task="any", fallback=["Sorry."], workspace=home)
        assert [chat("hello"), chat("hello"), chat("bye")] == ["HELLO", "HELLO", "BYE"]
        first, second, third = (prediction.value for prediction in entries(home, Prediction))
        assert first == second != third
        with pytest.raises(SpecError, match="no metric"):
            chat.outcome("x", 1)

    @pytest.mark.parametrize(("value", "at"), [(0.5, None), (math.nan, None), (1, datetime(2026, 1, 1)), (1, math.inf)])  # noqa: DTZ001
    def test_what_cannot_be_an_outcome_is_refused(self, home, value, at):
        with pytest.raises(ContractError):
            guarded(workspace=home).outcome("x", value, at=at)

    def test_without_a_workspace_it_is_said_once(self, tmp_path, monkeypatch, caplog):
        monkeypatch.chdir(tmp_path)
        predict = guarded()
        with caplog.at_level(logging.WARNING):
            assert [predict({}) for _ in range(3)] == [0.7] * 3
        assert predict.log is None
        assert not predict.outcome("x", 1)
        assert [record.message for record in caplog.records if "not logged" in record.message]
        assert len(caplog.records) == 1

    def test_the_workspace_is_found_from_below(self, home, monkeypatch):
        below = home.parent / "src" / "app"
        below.mkdir(parents=True)
        monkeypatch.chdir(below)
        assert guarded().log is log_of(home)

    def test_lockgate_toml_names_another_folder(self, tmp_path):
        (tmp_path / "lockgate.toml").write_text('directory = "state"\n')
        predict = guarded(workspace=tmp_path)
        predict({})
        assert len(entries(tmp_path / "state", Prediction)) == 1
        predict.log.close()

    def test_a_disk_that_refuses_is_no_reason_not_to_answer(self, home, caplog):
        (home / "log").write_text("a file where a folder should be")
        predict = guarded(workspace=home)
        assert [predict({}) for _ in range(3)] == [0.7] * 3
        assert predict.log.spilled == 3
        assert predict.log.problem is not None
        assert "entries wait" in caplog.text
        (home / "log").unlink()
        time.sleep(0.3)
        predict({})
        assert len(entries(home, Prediction)) == 4


class TestTheSplit:
    def test_a_sticky_share_is_logged_with_arm_share_and_rollout(self, home):
        predict = guarded(
            challenger=lambda _: 0.9,
            challenger_version="v2",
            share=0.5,
            unit="plane",
            workspace=home,
            deadline_ms=None,
        )
        replies = [predict.answer({"plane": f"N{n % 40}"}) for n in range(200)]
        assert {reply.arm for reply in replies} == {"champion", "challenger"}
        assert all(reply.value == (0.9 if reply.arm == "challenger" else 0.7) for reply in replies)
        by_unit = {(reply.prediction.unit, reply.arm) for reply in replies}
        assert len(by_unit) == 40
        assert {(p.share, p.rollout) for p in entries(home, Prediction)} == {(0.5, replies[0].prediction.rollout)}

    def test_behind_the_challenger_stands_the_champion(self):
        predict = guarded(challenger=lambda _: 1 / 0, challenger_version="v2", share=1.0)
        reply = predict.answer({})
        assert (reply.value, reply.served_by, reply.failure, reply.version) == (0.7, "v1", "raised", "v2")

    def test_the_other_arm_is_called_in_shadow(self, home):
        def other(row):
            row.clear()
            return 0.9

        predict = guarded(
            lambda row: row["p"], challenger=other, challenger_version="v2", shadow=True, workspace=home, model="m"
        )
        row = {"p": 0.7}
        reply = predict.answer(row)
        (shadow,) = soon(lambda: entries(home, Shadow))
        assert (reply.value, row) == (0.7, {"p": 0.7})
        assert (shadow.id, shadow.version, shadow.value, shadow.failure) == (reply.id, "v2", 0.9, None)
        assert shadow.rollout == reply.prediction.rollout

    def test_a_shadow_that_hangs_or_raises_keeps_nobody_waiting(self, home):
        hold = threading.Event()

        def other(row):
            if row == "raises":
                raise SystemExit
            hold.wait(10)

        predict = guarded(challenger=other, challenger_version="v2", shadow=True, workspace=home, deadline_ms=200)
        began = time.monotonic()
        for row in ("raises", *range(5)):
            assert predict(row) == 0.7
        assert time.monotonic() - began < 5
        failures = soon(lambda: len(found := entries(home, Shadow)) == 6 and found)
        assert sorted(shadow.failure for shadow in failures) == ["late"] * 5 + ["raised"]
        hold.set()

    def test_shadows_that_do_not_fit_are_left_out_and_counted(self):
        hold = threading.Event()
        predict = guarded(challenger=lambda _: hold.wait(10), challenger_version="v2", shadow=True, deadline_ms=5000)
        for row in range(100):
            predict(row)
        assert predict.guard.mirror.left_out >= 20
        hold.set()

    def test_an_async_shadow_runs_beside(self, home):
        async def predict(row):
            return 0.7

        async def other(row):
            await asyncio.sleep(0.05)
            return 0.9

        both = guarded(predict, challenger=other, challenger_version="v2", shadow=True, workspace=home)

        async def scene():
            began = time.perf_counter()
            value = await both({})
            took_s = time.perf_counter() - began
            await asyncio.sleep(0.3)
            return value, took_s

        value, _ = asyncio.run(scene())
        (shadow,) = entries(home, Shadow)
        assert (value, shadow.value) == (0.7, 0.9)

    def test_the_routing_board_is_taken_up_within_250_ms(self, home):
        predict = guarded(challenger=lambda _: 0.9, challenger_version="v2", workspace=home)
        assert predict({}) == 0.7
        board = RoutingFiles(home / "routing")
        board.publish(Routing(model="late", revision=1, champion="v2", baseline=None, constant=0.5))
        time.sleep(0.25)
        reply = predict.answer({})
        assert (reply.value, reply.served_by) == (0.9, "v2")

    def test_a_challenger_that_this_process_lacks_fails_and_the_champion_answers(self, home):
        board = RoutingFiles(home / "routing")
        board.publish(
            Routing(model="late", revision=1, champion="v1", baseline=None, constant=0.5, challenger="v9", share=1.0)
        )
        reply = guarded(workspace=home).answer({})
        assert (reply.value, reply.failure, reply.served_by) == (0.7, "not_loaded", "v1")


class TestVersions:
    def test_another_source_is_another_version_and_another_decorator_is_not(self, tmp_path):
        def made(text):
            file = tmp_path / f"m{abs(hash(text))}.py"
            file.write_text(text)
            scope = {"__name__": "m", "keep": lambda **_: lambda function: function}
            exec(compile(text, str(file), "exec"), scope)
            return version_of(scope["f"])

        first = made("@keep(deadline=1)\ndef f(row):\n    return 0.5\n")
        assert made("@keep(deadline=2)\ndef f(row):\n    # why\n    return   0.5\n") == first
        assert made("def f(row):\n    return 0.6\n") != first

    def test_what_has_no_source_is_known_by_name(self):
        assert version_of(len) != version_of(max)
        assert len(version_of(math.sqrt)) == 16


@pytest.mark.skipif(not HANDLES.exists(), reason="handles are looked at where Linux shows them")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
class TestForks:
    def test_a_child_logs_into_a_segment_of_its_own_and_holds_none_of_its_parents(self, home):
        predict = guarded(workspace=home, deadline_ms=1000)
        predict.answer("parent")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                ok = [predict.answer("child").failure for _ in range(20)] == [None] * 20
                own = sorted(
                    Path(path).suffix for path in map(os.path.realpath, HANDLES.iterdir()) if str(home) in path
                )
                is_apart = own == [".notice", ".seg"]
                code = (0 if ok else 2) + (0 if is_apart else 4)
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        predict.answer("parent")
        found = entries(home, Prediction)
        assert len(found) == 22
        assert len({entry.id for entry in found}) == 22
        assert len(list((home / "log").glob("*.seg*"))) == 2
