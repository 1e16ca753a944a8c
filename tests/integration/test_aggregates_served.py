"""Aggregates from end to end: declared once, computed for the training table, kept online by real workers."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from lockgate.errors import Conflict, ContractError, NotFound, SpecError
from lockgate.features import as_of, event_table
from lockgate.records import Alarm, Dataset, Prediction

SOURCES = """
[source.landings]
key = "id"
time = "at"
known = "told"
columns = { id = "int", at = "time", told = "time", colour = "text", boat = "text", late = "float" }
stale_after = "2d"
retention = "7d"

[model.tide.aggregates]
mean_6h = { source = "landings", mean = "late", by = ["colour"], window = "6h" }
count_6h = { source = "landings", count = true, by = ["colour"], window = "6h", where = "late > 0" }
sum_7d = { source = "landings", sum = "late", by = { colour = "colour" }, window = "7d", default = 0 }
last_1d = { source = "landings", last = "late", by = ["boat"], window = "1d", where = "is_not_null(boat)" }
since_1d = { source = "landings", since = true, by = [], window = "1d", default = 86400 }
"""
NAMES = ("mean_6h", "count_6h", "sum_7d", "last_1d", "since_1d")
DAY0 = 1_700_006_400
FEATURES = 'Pipeline.of(numeric("x1", "x2"), levels("colour"))'
HEAVY = ("polars", "scipy", "sklearn", "pandas", "deltalake", "sqlalchemy", "mlflow")


def landings(first_day: int, days: int, *, per_day: int = 60, seed: int = 1) -> pl.DataFrame:
    """Two clocks: some are told at once, some hours later; a fifth has no boat, some no lateness."""
    rng = np.random.default_rng((seed, first_day))
    n = days * per_day
    at = DAY0 * 10**6 + np.sort(rng.integers(first_day * 86_400_000_000, (first_day + days) * 86_400_000_000, n))
    told = at + np.where(rng.random(n) < 0.5, 0, rng.integers(0, 9 * 3_600_000_000, n))
    stamp = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "id": first_day * 1_000_000 + np.arange(n),
            "at": at,
            "told": told,
            "colour": rng.choice(["red", "green", "blue"], n),
            "boat": [None if x < 0.2 else f"b{int(x * 40)}" for x in rng.random(n)],
            "late": [None if x < 0.1 else float(x) * 7 - 2 for x in rng.random(n)],
        }
    ).with_columns(pl.col("at", "told").cast(stamp))


def sent(table: pl.DataFrame) -> list[dict[str, Any]]:
    return [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()} for row in table.to_dicts()]


@pytest.fixture(scope="module")
def shop(built: Any, tide_project: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Events of 40 days taken in from a table, a dataset completed with them, a version trained on it and rolled out."""
    from lockgate.workspace.creating import create
    from lockgate.workspace.workspace import Workspace

    root = tmp_path_factory.mktemp("landings") / "project"
    toml, code = tide_project
    create(root, toml + SOURCES)
    wanted = FEATURES.replace('"x2"', '"x2", ' + ", ".join(f'"{name}"' for name in NAMES))
    assert FEATURES in code
    (root / "lockgate_landingwork.py").write_text(code.replace(FEATURES, wanted))
    toml_file = root / "lockgate.toml"
    toml_file.write_text(toml_file.read_text().replace("lockgate_tidework", "lockgate_landingwork"))
    workspace = Workspace.open(root)
    taken = workspace.events("landings", landings(0, 40))
    assert (taken.kept, taken.known_before) == (2400, 0)
    workspace.data("tide", built.table())
    version = workspace.train("tide", name="trees")
    workspace.gate(version)
    workspace.rollout(version, by="the tests")
    workspace.close()
    shutil.copytree(root, root.parent / "before")
    return type(built)(root, {"trees": version.id})


@pytest.fixture
def before(shop: Any, tmp_path: Path) -> Any:
    """The same before anything was asked."""
    shutil.copytree(shop.root.parent / "before", tmp_path / "project")
    return type(shop)(tmp_path / "project", shop.versions)


@pytest.fixture(scope="module")
def serving(shop: Any) -> Iterator[Any]:
    with shop.serving(workers=2) as server:
        yield server


def post(server: Any, events: list[dict[str, Any]], source: str = "landings") -> httpx.Response:
    return server.client.post(f"{server.url}/events/{source}", json={"events": events})


def row(**changed: Any) -> dict[str, Any]:
    return {"boat": "b9", "asked_at": "2023-12-24T10:00:00Z", "x1": 0.4, "x2": 1.5, "colour": "red"} | changed


def logged(shop: Any, prefix: str) -> dict[str, dict[str, Any]]:
    """What calls were answered from, by id."""
    workspace = shop.open()
    names = [column.name for column in workspace.contract("tide").asked]
    found = [e for e in shop.log() if isinstance(e, Prediction) and e.id.startswith(prefix)]
    workspace.close()
    return {entry.id: dict(zip(names, entry.inputs, strict=True)) for entry in found}


def test_the_dataset_holds_the_aggregates_as_their_definition_reads(shop: Any) -> None:
    workspace = shop.open()
    contract = workspace.contract("tide")
    assert tuple(contract.aggregates) == NAMES
    assert {name: contract.column(name).is_nullable for name in NAMES} == {
        "mean_6h": True,
        "count_6h": True,
        "sum_7d": False,
        "last_1d": True,
        "since_1d": False,
    }
    table = workspace.wiring.tables.read(workspace.wiring.records.all(Dataset)[-1].ref)
    events = landings(0, 40)
    some = table.sample(60, seed=3)
    for question in some.iter_rows(named=True):
        at = question["asked_at"]
        own = events.filter(pl.col("told") < at, pl.col("colour") == question["colour"])
        late = own.filter(pl.col("at") >= at - pl.duration(hours=6))["late"].drop_nulls()
        assert question["count_6h"] == late.filter(late > 0).len()
        if late.len():
            assert question["mean_6h"] == pytest.approx(late.mean(), rel=1e-12)
        else:
            assert question["mean_6h"] is None
        week = own.filter(pl.col("at") >= at - pl.duration(days=7))["late"]
        assert question["sum_7d"] == pytest.approx(week.sum(), rel=1e-9, abs=1e-9)
    workspace.close()


def test_a_replay_of_events_and_calls_is_answered_from_what_the_table_path_computes_to_the_bit(
    shop: Any, serving: Any, built: Any
) -> None:
    """Events come when they were known, by fits and starts, to two workers; calls in between. Retention is a week."""
    events = landings(40, 12)
    calls = built.table(first_day=40, days=12, per_day=8)
    steps: list[tuple[datetime, int, dict[str, Any]]] = [(e["told"], 1, e) for e in events.to_dicts()]
    steps += [
        (c["asked_at"], 0, c) for c in calls.to_dicts()
    ]  # at one moment the call is first: what is known then is late
    waiting: list[dict[str, Any]] = []
    for _, is_event, item in sorted(steps, key=lambda step: step[:2]):
        if is_event:
            waiting.append(item)
            continue
        if waiting:
            assert post(serving, sent(pl.DataFrame(waiting, schema=events.schema))).json()["kept"] == len(waiting)
            waiting = []
            time.sleep(0.01)  # another worker sees it within 5 ms
        asked = {name: item[name] for name in ("boat", "x1", "x2", "colour")}
        answer = serving.predict({**asked, "asked_at": item["asked_at"].isoformat()}, id=f"replay-{item['boat']}")
        assert answer.status_code == 200, answer.text
    found = logged(shop, "replay-")
    assert len(found) == calls.height
    workspace = shop.open()
    aggregates = workspace.contract("tide").aggregates
    stream = aggregates["mean_6h"].stream
    whole = event_table.held("landings", stream, pl.concat([landings(0, 40), events]), now_us=time.time_ns() // 1000)
    offline = as_of.computed(
        calls, "asked_at", aggregates, {"landings": whole}, stale_after_us={"landings": None}
    ).columns
    for number, boat in enumerate(calls["boat"]):
        own = found[f"replay-{boat}-0"]
        assert {name: own[name] for name in NAMES} == {name: offline[name][number] for name in NAMES}
    assert offline["mean_6h"].null_count() < calls.height / 4
    workspace.close()


def test_a_retry_of_a_request_gets_the_first_answer_although_the_world_went_on(serving: Any) -> None:
    asked = row(asked_at="2024-01-10T10:00:00Z", boat="r1")
    first = serving.predict(asked, id="again")
    fresh = {"id": 77_000_001, "at": "2024-01-10T09:00:00Z", "told": "2024-01-10T09:00:00Z", "colour": "red"}
    assert post(serving, [{**fresh, "boat": "r1", "late": 900.0}]).json() == {"kept": 1, "known_before": 0}
    time.sleep(0.01)
    assert serving.predict(asked, id="again").json() == first.json()
    other = serving.predict(asked, id="anew").json()["predictions"][0]
    assert "mean_6h: above range" in other["flags"]
    assert serving.predict(row(asked_at="2024-01-10T10:00:00Z", boat="r2"), id="again").status_code == 409


def test_events_twice_are_counted_and_an_id_with_another_content_is_refused(serving: Any) -> None:
    event = sent(landings(60, 1, per_day=2))
    assert post(serving, event).json() == {"kept": 2, "known_before": 0}
    assert post(serving, event).json() == {"kept": 0, "known_before": 2}
    other = post(serving, [event[0] | {"late": 123.0}])
    assert other.status_code == 409
    assert "was kept before with another content" in other.json()["error"]["message"]


GOOD = {
    "id": 88_000_001,
    "at": "2024-01-20T09:00:00Z",
    "told": "2024-01-20T09:05:00Z",
    "colour": "red",
    "boat": "b",
    "late": 1,
}


@pytest.mark.parametrize(
    ("changed", "column", "said"),
    [
        pytest.param({"colour": None}, "colour", "has no 'colour', by which events are told apart", id="null key"),
        pytest.param({"id": None}, "id", "has no 'id'", id="null id"),
        pytest.param({"at": None}, "at", "has no 'at'", id="null time"),
        pytest.param({"told": "2024-01-20T08:59:59Z"}, "told", "known before it happened", id="known too early"),
        pytest.param(
            {"at": "2999-01-01T00:00:00Z", "told": "2999-01-01T00:00:00Z"}, "at", "in the future", id="future"
        ),
        pytest.param({"late": "1"}, "late", "Expected `float | null`", id="text for a number"),
        pytest.param({"id": 1.5}, "id", "Expected `int`", id="half an id"),
        pytest.param({"id": 2**53}, "id", "Whole numbers lie below", id="too long an id"),
        pytest.param({"at": "2024-01-20T09:00:00"}, "at", "timezone", id="no zone"),
        pytest.param({"speed": 3}, "speed", "unknown field `speed`", id="another column"),
        pytest.param({"late": ...}, "late", "missing required field `late`", id="no column"),
    ],
)
def test_an_event_that_cannot_be_one_is_refused_with_its_place_and_column_and_nothing_of_its_batch_is_kept(
    serving: Any, changed: dict[str, Any], column: str, said: str
) -> None:
    bad = {name: value for name, value in (GOOD | {"id": 88_000_002} | changed).items() if value is not ...}
    answer = post(serving, [GOOD, bad])
    error = answer.json()["error"]
    assert (answer.status_code, error["column"]) == (422, column), answer.text
    assert said in error["message"]
    assert error["message"].startswith("Event 1 of landings")
    assert post(serving, [GOOD | {"late": 5.0, "id": 88_000_003}]).json()["known_before"] in (0, 1)
    assert post(serving, [{**GOOD, "id": 88_000_001, "late": 1}]).status_code == 200


def test_bodies_that_are_none_and_sources_that_are_none_are_refused(serving: Any) -> None:
    unknown = post(serving, [GOOD], source="landing")
    assert (unknown.status_code, "'landings'" in unknown.json()["error"]["message"]) == (404, True)
    assert serving.post("/events/landings", b'{"events": [').status_code == 400
    assert serving.post("/events/landings", b'{"event": []}').status_code == 422
    assert serving.post("/events/landings", b'{"events": [7]}').status_code == 422
    assert post(serving, []).json() == {"kept": 0, "known_before": 0}


def test_what_is_missing_has_its_default_and_a_flag(shop: Any, serving: Any) -> None:
    answer = serving.predict(row(boat="nobody", asked_at="2024-01-20T10:00:00Z"), id="lacking")
    (told,) = answer.json()["predictions"]
    assert "last_1d: no history" in told["flags"]
    assert logged(shop, "lacking")["lacking-0"]["last_1d"] is None
    late = serving.predict(row(boat="nobody", asked_at="2024-03-01T10:00:00Z"), id="stopped").json()["predictions"][0]
    assert {f"{name}: stale" for name in NAMES} <= set(late["flags"])
    early = serving.predict(row(asked_at="2023-11-20T10:00:00Z"), id="early").json()["predictions"][0]
    assert "sum_7d: forgotten" in early["flags"]
    assert logged(shop, "stopped")["stopped-0"]["since_1d"] == 86400.0


def test_the_client_sends_events_and_may_send_them_again(serving: Any) -> None:
    from lockgate.server.client import Client

    with Client(serving.url) as client:
        first = client.events("landings", sent(landings(61, 1, per_day=3)))
        again = client.events("landings", sent(landings(61, 1, per_day=3)))
        assert ((first.kept, first.known_before), (again.kept, again.known_before)) == ((3, 0), (0, 3))
        with pytest.raises(ContractError, match=r"Event 0 of landings: .*missing"):
            client.events("landings", [{"id": 1}])


def test_a_request_that_brings_what_is_computed_here_is_refused_by_name(serving: Any) -> None:
    answer = serving.predict(row(mean_6h=1.0))
    error = answer.json()["error"]
    assert (answer.status_code, error["column"]) == (422, "mean_6h")
    assert "is computed here, of events" in error["message"]


def test_what_the_model_takes_leaves_out_what_is_computed_here(serving: Any) -> None:
    told = serving.client.get(f"{serving.url}/models/tide").json()
    assert {column["name"] for column in told["columns"]} == {"boat", "asked_at", "x1", "x2", "colour"}
    assert told["computed"] == sorted(NAMES)
    document = serving.client.get(f"{serving.url}/openapi.json").json()
    rows = document["components"]["schemas"]["tide.rows"]["properties"]["rows"]["items"]
    assert set(rows["required"]) == {"boat", "asked_at", "x1", "x2", "colour"}
    assert "/events/landings" in document["paths"]
    v2 = serving.client.get(f"{serving.url}/v2/models/tide").json()
    assert {tensor["name"] for tensor in v2["inputs"]} == {"boat", "asked_at", "x1", "x2", "colour"}


def test_a_store_that_somebody_holds_costs_no_call_and_its_events_come_later(shop: Any, serving: Any) -> None:
    holder = sqlite3.connect(shop.home / "events.db", isolation_level=None)
    before = serving.predict(row(), id="free").json()["predictions"][0]
    holder.execute("BEGIN IMMEDIATE")
    try:
        held = serving.predict(row(), id="held").json()["predictions"][0]
        assert (held["value"], held["flags"]) == (before["value"], before["flags"])
        refused = post(serving, [GOOD | {"id": 99_000_001}])
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "cannot be written" in refused.json()["error"]["message"]
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert post(serving, [GOOD | {"id": 99_000_001}]).json()["kept"] == 1


def test_the_series_count_what_was_flagged(serving: Any) -> None:
    serving.predict(row(asked_at="2024-03-01T10:00:00Z"))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        series = serving.client.get(f"{serving.url}/metrics").text
        if 'lockgate_contract_violations_total{column="sum_7d"' in series:
            return
        time.sleep(0.3)
    pytest.fail("The flags of an aggregate are in no series.")


def test_scored_tables_are_completed_as_calls_are(shop: Any, built: Any) -> None:
    workspace = shop.open()
    table = built.table(first_day=20, days=2, per_day=20)
    workspace.score("tide", table.drop("y", "known_at"), prefix="scored")
    workspace.close()
    found = logged(shop, "scored-")
    workspace = shop.open()
    aggregates = workspace.contract("tide").aggregates
    events = event_table.frame(aggregates["mean_6h"].stream, workspace.wiring.events.values("landings"))
    offline = as_of.computed(table, "asked_at", aggregates, {"landings": events}, stale_after_us={"landings": None})
    for number, boat in enumerate(table["boat"]):
        own = found[f"scored-{boat}"]
        assert {name: own[name] for name in NAMES} == {name: offline.columns[name][number] for name in NAMES}
    workspace.close()


def asked(workspace: Any, built: Any, day: int) -> list[Any]:
    """The calls of a day, and the alarms of the turn of the loop after them."""
    workspace.score("tide", built.table(first_day=day, days=1, per_day=20).drop("y", "known_at"), prefix=f"day{day}")
    return [alarm for alarm in workspace.tick().alarms if alarm.cause == "source"]


def test_a_source_that_stops_is_one_alarm_that_names_who_reads_it_and_ends_when_it_tells_again(
    before: Any, built: Any
) -> None:
    workspace = before.open()
    assert asked(workspace, built, 39) == []
    assert asked(workspace, built, 40) == [], "a day without an event is within the two that are put up with"
    (page,) = asked(workspace, built, 43)
    newest = landings(0, 40)["at"].max()
    assert isinstance(newest, datetime)
    assert f"The source landings has told nothing since {newest:%Y-%m-%d %H:%M:%S} UTC" in page.sentence
    assert f"within 2d). Computed of it are, for tide: {', '.join(NAMES)}." in page.sentence
    assert (page.severity, page.next, page.verdict) == ("page", "lockgate data events landings TABLE", None)
    assert asked(workspace, built, 44) == [], "it is told once"
    (now,) = workspace.status()
    assert (now.alarms[-1], now.next) == (page.sentence, page.next)
    assert workspace.why(page.id).lines[0] == page.sentence
    workspace.close()
    workspace = before.open()
    assert asked(workspace, built, 45) == [], "and not by another loop again"
    workspace.events("landings", landings(45, 1))
    (note,) = asked(workspace, built, 46)
    assert (note.severity, note.id) == ("note", f"{page.id}-over")
    assert note.sentence.startswith(
        f"The source landings tells again: it was silent from {newest:%Y-%m-%d %H:%M:%S} UTC on"
    )
    assert workspace.status()[0].alarms == ()
    assert [a.id for a in asked(workspace, built, 50)] != [page.id], "another silence is another alarm"
    assert len([a for a in workspace.wiring.records.all(Alarm) if a.cause == "source"]) == 3
    workspace.close()


CALL = """
import asyncio, json, sys
from pathlib import Path
from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

home, row, event = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
app = Inference(DataPlane(home)).app()


async def ask():
    import httpx

    async with app.router.lifespan_context(app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://worker")
        told = await client.post("/events/landings", json={"events": [event]})
        answer = await client.post("/predict/tide", json={"rows": [row]})
        await client.aclose()
        return answer, told


answer, told = asyncio.run(ask())
heavy = [name for name in sys.argv[4].split(",") if name in sys.modules]
print(json.dumps([answer.status_code, answer.json(), told.status_code, heavy]))
"""


def test_a_worker_that_computes_aggregates_loads_none_of_the_libraries_of_training(shop: Any) -> None:
    argv = [
        sys.executable,
        "-c",
        CALL,
        str(shop.home),
        json.dumps(row()),
        json.dumps(GOOD | {"id": 66_000_001}),
        ",".join(HEAVY),
    ]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    status, answer, told, heavy = json.loads(ran.stdout)
    assert (status, told, heavy) == (200, 200, [])
    assert answer["predictions"][0]["served_by"] == shop.versions["trees"]


@pytest.fixture
def own(shop: Any, tmp_path: Path) -> Any:
    """A copy that a test may break."""
    import shutil

    shutil.copytree(shop.root, tmp_path / "project")
    return type(shop)(tmp_path / "project", dict(shop.versions))


def edit(shop: Any, old: str, new: str) -> None:
    file = shop.root / "lockgate.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('window = "7d", default = 0', 'window = "6d", default = 0', "window_us"),
        ('window = "7d", default = 0', 'window = "7d", default = 1', "default"),
        ('where = "late > 0"', 'where = "late >= 0"', "where"),
        ('known = "told"\ncolumns', "columns", "stream"),
    ],
)
def test_a_definition_changed_under_a_served_version_is_refused_by_name(
    own: Any, built: Any, old: str, new: str, field: str
) -> None:
    edit(own, old, new)
    served = own.run("serve", "--port", "0", "--pages-port", "0", timeout_s=30)
    assert served.returncode == 3
    assert "another definition in lockgate.toml" in served.stderr
    assert field in served.stderr
    assert "a new name" in served.stderr
    with pytest.raises(SpecError, match="another definition"):
        own.open().data("tide", built.table(first_day=40, days=5))


def test_a_new_definition_under_a_new_name_joins_the_next_dataset_and_an_old_one_may_go(own: Any, built: Any) -> None:
    edit(
        own,
        "mean_6h = {",
        'mean_1d = { source = "landings", mean = "late", by = ["colour"], window = "1d" }\nmean_6h = {',
    )
    workspace = own.open()
    made = workspace.data("tide", built.table())
    assert "mean_1d" in workspace.contract("tide").aggregates
    assert workspace.wiring.tables.read(made.ref)["mean_1d"].null_count() < made.rows / 10
    assert set(workspace.wiring.contract(own.versions["trees"]).aggregates) == set(NAMES), "what serves stays as it was"
    workspace.close()
    edit(own, "since_1d = {", "# since_1d = {")
    workspace = own.open()
    workspace.data("tide", built.table())
    assert "since_1d" not in workspace.contract("tide").aggregates
    workspace.close()


def test_a_table_that_brings_a_computed_column_or_lacks_a_key_is_refused_by_name(shop: Any, built: Any) -> None:
    workspace = shop.open()
    with pytest.raises(ContractError, match="brings 'mean_6h', which is computed here of the events of landings"):
        workspace.data("tide", built.table().with_columns(mean_6h=pl.lit(1.0)))
    with pytest.raises(ContractError, match="no column 'colour'"):
        workspace.data("tide", built.table().drop("colour"))
    with pytest.raises(ContractError, match="'colour' is int in the table"):
        workspace.data("tide", built.table().with_columns(colour=pl.lit(1)))
    with pytest.raises(NotFound, match="landings"):
        workspace.events("landing", landings(90, 1))
    with pytest.raises(ContractError, match="Row 0 of the events of landings has no 'colour'"):
        workspace.events("landings", landings(90, 1).with_columns(colour=pl.lit(None, dtype=pl.String)))
    with pytest.raises(ContractError, match="known before it happened"):
        workspace.events("landings", landings(90, 1).with_columns(told=pl.col("at") - pl.duration(microseconds=1)))
    with pytest.raises(ContractError, match="'late' of the table is text"):
        workspace.events("landings", landings(90, 1).with_columns(late=pl.lit("x")))
    with pytest.raises(Conflict, match="comes twice with different contents"):
        workspace.events("landings", landings(90, 1).with_columns(id=pl.lit(5)))
    workspace.close()


def test_a_planted_join_that_sees_the_future_differs_from_the_table_path(shop: Any, built: Any) -> None:
    """The usual mistake: joined by when events happened, though half of them were told hours later."""
    workspace = shop.open()
    aggregates = {"mean_6h": workspace.contract("tide").aggregates["mean_6h"]}
    events = {"landings": event_table.held("landings", aggregates["mean_6h"].stream, landings(0, 40), now_us=2**60)}
    rows = built.table()
    ours = as_of.computed(rows, "asked_at", aggregates, events, stale_after_us={"landings": None}).columns["mean_6h"]
    planted = {"landings": events["landings"].with_columns(told=pl.col("at"))}
    theirs = as_of.computed(rows, "asked_at", aggregates, planted, stale_after_us={"landings": None}).columns["mean_6h"]
    assert (ours.ne_missing(theirs)).mean() > 0.3
    workspace.close()
