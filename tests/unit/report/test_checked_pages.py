"""Reports as pages, in notebooks and on model cards: whole, quiet, and deaf to what names hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lockgate.errors import SpecError
from lockgate.records import Contract, DatasetRef, Lineage, Report, Version
from lockgate.report import notebook
from lockgate.report.card import card
from lockgate.report.checked import html, page

Checked = Callable[..., Report]
TASKS = ("binary", "multiclass", "regression")
HOSTILE = "<script>alert(1)</script>\x1b[2J\n| `x` |"
CONTRACT = Contract(model="tumours", columns=(), target="y")
VERSION = Version(
    id="0" * 64,
    model="tumours",
    name="joblib",
    role="candidate",
    made_s=1.7e9,
    lineage=Lineage(
        dataset=DatasetRef(table="tumours", version=1, digest="d" * 64),
        train="project.training:fit",
        features="project.features:pipeline",
        features_hash="f" * 64,
        commit=None,
        is_dirty=None,
        environment="e" * 64,
        seed=0,
        run=None,
        trained_from_s=None,
        trained_until_s=None,
        rows=341,
    ),
    metrics={"log_loss": 0.075},
    parity=None,
)


def parsed(made: str) -> ET.Element:
    return ET.fromstring(made.removeprefix("<!doctype html>"))


@pytest.mark.parametrize("task", TASKS)
def test_a_page_is_well_formed_and_holds_neither_script_nor_address(checked: Checked, task: str) -> None:
    made = page(checked(task))
    tree = parsed(made)
    tags = {part.tag.split("}")[-1] for part in tree.iter()}
    assert {"h2", "table", "svg"} <= tags
    assert not tags & {"script", "img", "iframe", "object"}
    addresses = re.findall(r"(?:src|href|url)\s*[=(]\s*\"?([^\")>]+)", made)
    assert addresses == ["data:,"]


@pytest.mark.parametrize("task", TASKS)
def test_a_page_says_what_the_report_says(checked: Checked, task: str) -> None:
    report = checked(task)
    words = " ".join("".join(parsed(page(report)).itertext()).split())
    assert report.sentence in words
    for rival in report.rivals:
        assert rival.name in words
        assert rival.what in words
    for finding in report.findings[:5]:
        assert finding.sentence in words
    assert report.proposal.reason in words


def test_both_pictures_are_drawn_one_point_for_each_bin_and_one_line_for_each_baseline(checked: Checked) -> None:
    report = checked("binary")
    left, right = (part for part in parsed(html(report)).iter() if part.tag.endswith("svg"))
    shown = [part.get("class") for part in left.iter() if part.tag.endswith("line")]
    assert sum("thick" in str(name) for name in shown) == len(report.rivals)
    assert sum(part.tag.endswith("circle") for part in right.iter()) == len(report.calibration)


def test_no_name_becomes_markup(checked: Checked) -> None:
    hostile = msgspec.structs.replace(checked("regression", rename=HOSTILE), target=HOSTILE, name=HOSTILE, best="ridge")
    for made in (html(hostile), page(hostile)):
        assert "<script" not in made
        assert "&lt;script&gt;" in made
        assert "\x1b" not in made
        parsed(made)


def test_a_name_starts_no_tag_and_ends_no_cell_of_a_card(sliced: Report) -> None:
    hostile = msgspec.structs.replace(
        sliced, name=HOSTILE, weakest=tuple(msgspec.structs.replace(item, column=HOSTILE) for item in sliced.weakest)
    )
    made = card(VERSION, CONTRACT, [], hostile)
    assert "<script" not in made
    rows = [line for line in made.splitlines() if "alert" in line and line.startswith("|")]
    assert len(rows) == 1 + len(sliced.weakest)
    assert all(line.replace("\\|", "").count("|") == 4 for line in rows[1:])


def test_a_notebook_shows_a_report_by_itself(checked: Checked) -> None:
    shells = pytest.importorskip("IPython.core.interactiveshell", reason="no IPython: pip install ipython")
    shell = shells.InteractiveShell()
    notebook.register(shell)
    shown = shell.display_formatter.format(checked("binary"))[0]["text/html"]
    assert shown == html(checked("binary"))
    of_version = shell.display_formatter.format(VERSION)[0]["text/html"]
    assert "joblib-000000" in of_version
    assert "0.0750" in of_version


def test_importing_lockgate_in_a_notebook_is_enough_for_a_report(checked: Checked, tmp_path: Path) -> None:
    pytest.importorskip("IPython", reason="no IPython: pip install ipython")
    written = tmp_path / "report.json"
    written.write_bytes(msgspec.json.encode(checked("binary")))
    asked = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "import lockgate\n"
        "assert 'numpy' not in sys.modules\n"
        "from lockgate.records import Report, decode\n"
        "found = decode(Report, open(sys.argv[1], 'rb').read())\n"
        "assert '<svg' in shell.display_formatter.format(found)[0]['text/html']\n"
    )
    ran = subprocess.run([sys.executable, "-c", asked, str(written)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_record_without_a_drawing_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="A Contract has no drawing"):
        notebook.html(CONTRACT)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_a_page_fits_its_screen_in_both_schemes(checked: Checked, tmp_path: Path, scheme: Any, width: int) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on the path")
    file = tmp_path / "report.html"
    file.write_text(page(checked("regression", rename="a_column_" * 12)), encoding="utf-8")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with api.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=found, args=flags)
        screen = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        screen.goto(file.as_uri())
        wide = screen.evaluate("document.documentElement.scrollWidth")
        paper = screen.evaluate("getComputedStyle(document.querySelector('.lg-report')).backgroundColor")
        browser.close()
    assert wide <= width
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 27, 26)"}[scheme]


def test_a_card_without_a_report_says_that_slices_were_not_looked_at() -> None:
    made = card(VERSION, CONTRACT, [])
    assert "# joblib-000000" in made
    assert "| log loss | 0.0750 |" in made
    assert "## Not looked at\n\nSlices." in made


def test_a_card_with_a_report_says_what_is_known(sliced: Report, checked: Checked) -> None:
    made = card(VERSION, CONTRACT, [], sliced)
    for part in ("Task", "Found", "Slices", "Calibration", "Learning curve", "Speed"):
        assert f"\n## {part}\n" in made
    assert "\n\nSlices" not in made.split("## Not looked at")[1]
    assert sliced.sentence in made
    assert "scikit-learn 1.9.0" in made
    assert re.search(r"^\| ridge: ridge regression on all columns, scaled \| 8\d\d \[", made, re.MULTILINE)
    too_few = card(VERSION, CONTRACT, [], checked("binary"))
    assert "Slices: too few rows" in too_few.split("## Not looked at")[1]


def test_a_card_warns_where_figures_cannot_be_trusted(leaky: Report) -> None:
    made = card(VERSION, CONTRACT, [], leaky)
    assert made.index("Nothing can be ruled on these rows") < made.index("| **model.joblib** |")
