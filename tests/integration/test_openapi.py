"""The OpenAPI document: it is valid, it has every route, its schemas hold what is answered, and a fuzzer finds no 500."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}


@pytest.fixture(scope="module")
def document(served: Any) -> dict[str, Any]:
    return served[1].get("/openapi.json").json()


def test_every_route_and_method_is_in_the_document_and_no_other(served, document):
    project, _ = served
    version = project.fitted[1]
    plane = DataPlane(project.home)
    plane.refresh()
    wanted = set()
    for route in Inference(plane).app().routes:
        if "{source}" in route.path and not plane.intake.streams:
            continue  # of each source that there is; tested where there are some
        for method in route.methods - {"HEAD"}:
            for one in plane.models["late"].routing.versions if "{version}" in route.path else [version]:
                wanted.add((route.path.replace("{model}", "late").replace("{version}", one), method.lower()))
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == wanted


def test_every_reference_leads_somewhere(document):
    for reference in re.findall(r"'\$ref': '#/([^']+)'", str(document)):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]
        assert isinstance(found, dict)


def test_every_operation_tells_its_statuses_and_what_they_mean(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert all(answer["description"] and answer["content"] for answer in operation["responses"].values()), path


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"components": document["components"]}


CALLS = [
    ("/predict/late", {"rows": [ROW]}, 200),
    ("/predict/late", {"rows": [ROW | {"wait": "x"}]}, 422),
    ("/outcomes/late", {"outcomes": [{"id": "a-0", "value": 1}]}, 200),
    ("/invocations", {"instances": [ROW]}, 200),
    ("/invocations", {"instances": [ROW | {"seats": 501}]}, 422),
    (
        "/v2/models/late/infer",
        {
            "inputs": [
                {"name": name, "datatype": kind, "shape": [1], "data": [ROW[name]]}
                for name, kind in (("wait", "FP64"), ("seats", "INT64"), ("carrier", "BYTES"), ("plane", "BYTES"))
            ]
        },
        200,
    ),
    ("/v2/models/late/infer", {"inputs": []}, 422),
]


@pytest.mark.parametrize(("path", "body", "status"), CALLS)
def test_a_request_and_its_answer_keep_the_schemas(served, document, path, body, status):
    operation = document["paths"][path]["post"]
    if status == 200:
        jsonschema.validate(body, resolved(document, operation["requestBody"]["content"]["application/json"]["schema"]))
    answer = served[1].client.post(f"{served[1].url}{path}", json=body)
    assert answer.status_code == status
    told = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), resolved(document, told))


def test_another_contract_makes_another_document(project):
    project.publish(project.add_constant("first", 0.1))
    plane = DataPlane(project.home)
    plane.refresh()
    from lockgate.server.openapi import document

    assert "/invocations" in document(plane.models)["paths"]
    two = document(plane.models | {"other": plane.models["late"]})
    assert {"/predict/late", "/predict/other", "/invocations/other"} <= two["paths"].keys()
    assert 200 not in two["paths"]["/invocations"]["post"]["responses"], "with two models it cannot know which"
    assert "late.rows" not in document({})["components"]["schemas"]


@pytest.mark.parametrize("examples", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_schemathesis_finds_nothing_but_what_a_schema_cannot_say(served, tmp_path, examples):
    """Bounded: some six hundred requests in a quarter of a minute, the same every time; more when slow. All its checks but
    one, that what keeps the schema is answered: JSON Schema cannot say that tensors have as many values as their shape, or
    that CSV has the columns.
    """
    argv = [
        *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", f"{served[1].url}/openapi.json"),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(examples), "--seed", "5", "--suppress-health-check", "all", "--no-color"),
    ]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    generated = re.search(r"(\d+) generated, \1 passed", ran.stdout)
    assert generated, ran.stdout[-2000:]
    assert int(generated[1]) > 300
    assert served[1].predict(ROW).status_code == 200
