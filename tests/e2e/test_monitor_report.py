"""`lockgate monitor report` as a person uses it: typed, and looked at in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TIDE = "tide"


@pytest.fixture(scope="module")
def reported(built: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, str]:
    """A workspace with ten closed days, and the report that the command wrote of it."""
    root = tmp_path_factory.mktemp("reported") / "project"
    shutil.copytree(built.root, root)
    shop = type(built)(root, dict(built.versions))
    workspace = shop.open()
    days = shop.table(40, 10)
    predictions = workspace.score(TIDE, days, prefix="d")
    known = [stamp.timestamp() for stamp in days["known_at"]]
    told = [(p.id, float(y), at_s) for p, y, at_s in zip(predictions, days["y"], known, strict=True)]
    workspace.outcomes(TIDE, told)
    while workspace.tick().read:
        pass
    workspace.close()
    file = root / "report.html"
    done = shop.run("monitor", "report", TIDE, "--out", str(file))
    assert done.returncode == 0, done.stderr
    return shop, file, done.stdout


def test_the_command_says_the_figures_and_where_the_page_is(reported):
    _, file, said = reported
    assert "No alarm of tide is open." in said
    assert "Skill: " in said
    assert f"The page: {file}" in said
    assert said.rstrip().splitlines()[-1].startswith("next: lockgate ")
    assert file.read_text().startswith("<!doctype html>")


def test_as_json_it_is_the_same_told_as_values(reported):
    shop, file, _ = reported
    told = json.loads(shop.run("monitor", "report", TIDE, "--out", str(file), "--last", "5d", "--json").stdout)
    assert [stretch[2] for stretch in told["traffic"]] == [75] * len(told["traffic"])
    assert 1 < len(told["traffic"]) <= 5
    assert told["courses"][0][0] == "log loss"


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ((TIDE, "--out", "report.txt"), "Name it FILE.html."),
        ((TIDE, "--last", "soon"), "Write a number and a unit"),
        (("tidy",), "tide"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_with_its_cure_and_exit_code_3(reported, words, cure):
    shop, _, _ = reported
    done = shop.run("monitor", "report", *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert cure in done.stderr


def test_a_table_of_any_servers_predictions_needs_no_workspace(reported, tmp_path):
    shop, _, _ = reported
    for name, first in (("reference", 0), ("live", 40)):
        made = shop.table(first, 28)
        made.with_columns(score=1 / (1 + (-made["x1"]).exp())).drop("known_at", "boat").write_parquet(
            tmp_path / f"{name}.parquet"
        )
    out = tmp_path / "of_a_table.html"
    words = ["monitor", "report", "live.parquet", "--reference", "reference.parquet", "--prediction", "score"]
    words += ["--outcome", "y", "--time", "asked_at", "--out", str(out)]
    command = [sys.executable, "-m", "lockgate", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "if P(Y|X) is unchanged" in out.read_text()
    lacking = subprocess.run(command[:6], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert lacking.returncode == 3
    assert "--reference TABLE" in lacking.stderr


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_a_browser_shows_it_whole_and_asks_nobody(reported, browser, scheme, width):
    _, file, _ = reported
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    assert page.locator("h2").inner_text().endswith("No alarm of tide is open.")
    assert page.locator("svg[role=img]").count() >= 4
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    paper = page.evaluate("getComputedStyle(document.querySelector('.lg-report')).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.querySelector('h2')).color")
    page.close()
    assert asked == [file.as_uri()]
    assert complaints == []
    assert overflow <= 0
    light = [sum(map(int, colour.strip("rgb()").split(",")[:3])) / 765 for colour in (paper, ink)]
    assert (light[0] > light[1]) == (scheme == "light")
    assert abs(light[0] - light[1]) > 0.6
