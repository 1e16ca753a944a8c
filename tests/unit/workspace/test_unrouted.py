from lockgate.records import Health, ModelSpec, Outcome, Prediction, Shadow, WorkspaceSpec
from lockgate.report.now import rows
from lockgate.store.memory import MemoryRecords
from lockgate.workspace.unrouted import Unrouted

NOW_S = 1e9

DAY_S = 86_400.0


def call(n, model="late", *, at_s=0.0, failure=None, **more):
    return Prediction(
        id=f"{model}-{n}-{at_s}",
        model=model,
        unit=str(n),
        asked_s=at_s + n,
        answered_s=at_s + n,
        arm="champion",
        version="v1",
        served_by="v1",
        value=0.5,
        latency_ms=3.0,
        failure=failure,
        **more,
    )


def loop():
    records = MemoryRecords()
    return Unrouted(WorkspaceSpec(model={"late": ModelSpec(target="late")}), records), records


def test_a_guarded_models_health_is_kept_and_shown():
    unrouted, records = loop()
    unrouted.feed([*(call(n, rollout="code-1") for n in range(9)), call(9, failure="late")], (), now_s=NOW_S)
    assert unrouted.look(100.0, ()) == []
    health = records.get(Health, "late")
    assert (health.calls, health.fallback_rate) == ({"v1": 10}, 0.1)
    (row,) = rows(records)
    assert (row.model, row.calls, row.state) == ("late", 10, "guarded")


def test_a_model_that_lockgate_toml_does_not_name_is_said_and_nothing_else():
    unrouted, records = loop()
    unrouted.feed(
        [call(1, "chat"), Outcome(id="x", model="other", value=1.0, at_s=0.0, received_s=0.0)], (), now_s=NOW_S
    )
    (said,) = unrouted.look(100.0, ())
    assert "'chat'" in said
    assert "[model.chat]" in said
    assert records.all(Health) == []


def test_a_model_with_a_routing_is_left_to_its_watch():
    unrouted, records = loop()
    unrouted.feed([call(1)], {"late"}, now_s=NOW_S)
    assert unrouted.look(100.0, {"late"}) == []
    assert records.all(Health) == []


def test_days_that_have_matured_are_let_go():
    unrouted, _ = loop()
    for day in range(8):
        found = [call(n, at_s=day * DAY_S) for n in range(5)]
        facts = [
            Shadow(id=found[0].id, model="late", version="v2", rollout=None, asked_s=0.0, value=0.5, latency_ms=1.0)
        ]
        unrouted.feed([*found, *facts], (), now_s=NOW_S)
        unrouted.look(day * DAY_S, ())
    held = list(unrouted._folds["late"].open_calls())
    assert len(held) <= 15
