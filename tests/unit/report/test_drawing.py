"""Drawings: every verdict's evidence as a chart, as lines for a terminal, and as files that need no network."""

from __future__ import annotations

import functools
import json
import math
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import lockgate
from lockgate.decide.decay import decay
from lockgate.decide.harm import contract_breaks, quality
from lockgate.decide.judgement import Judgement
from lockgate.decide.offline import offline_gate
from lockgate.decide.safety import by_rate
from lockgate.decide.worth import worth
from lockgate.errors import SpecError
from lockgate.monitor.verdicts import verdict
from lockgate.records import Evidence, Gate, GateSpec, RolloutSpec, Ruling, Step, Verdict
from lockgate.report import drawing, notebook
from lockgate.report.words import BARS, counted, e_value, figure

DAYS = np.random.default_rng(3).standard_normal(40) * 0.02
PAST = np.random.default_rng(4).standard_normal(40) * 0.02
SPEC = RolloutSpec()
# As ledgers hold it from before drift had evidence.
MOVED_ONCE = Judgement(
    ruling=Ruling.FAIL,
    gate=Gate(
        name="drift of wind",
        question="harm",
        claim="drifted",
        measure="wind",
        method="total variation x importance",
        margin=0.2,
        alpha=None,
        guarantee="not measured",
    ),
    evidence=Evidence(estimate=0.4, detail={"importance": 0.7, "weight": 0.28, "bar": 0.2}),
    sentence="wind moved by 0.40 of 1 from its reference; the champion's use of it is 70.0%: look at the calls.",
)


def of(judgement: Judgement) -> Verdict:
    return verdict(judgement, model="late", subject=("b", "a"), rollout="r1", at_s=1e9, now_s=1e9)


def judge(policy: lockgate.Policy, ratio: float, share: float = 0.2, came: float = 0.2) -> Verdict:
    rng = np.random.default_rng(1)
    arm = (rng.random(30_000) < came).astype(int)
    worse = np.where(arm == 1, ratio, 1.0)
    failed = (rng.random(arm.size) < 0.02 * worse).astype(float)
    value = np.exp(rng.standard_normal(arm.size) / 2) * 12 * worse if policy.kind == "latency" else failed
    judge = lockgate.Judge(policy, model="late")
    found = judge.observe_batch(arm, value, share)
    assert found is not None
    return found if came == share else void_of(judge)


def void_of(judge: lockgate.Judge) -> Verdict:
    """Harm may come after it."""
    assert judge.void is not None
    return judge.void


def by_days(shift: float, prove: str = "not worse", days: int = 40) -> Verdict:
    spec = RolloutSpec(prove=prove)  # type: ignore[arg-type]
    differences = DAYS[:days] + shift
    return of(worth(spec, metric="log_loss", not_worse_by=0.005, differences=differences, history=PAST))


def offline(days: int = 28) -> Verdict:
    counts = np.full(days, 200.0)
    differences = np.resize(DAYS, days) - 0.01
    return of(
        offline_gate(
            GateSpec(),
            metric="log_loss",
            against="champion",
            better_by=0.003,
            sums=differences * counts,
            counts=counts,
            call_variance=0.1,
        )
    )


def drifted() -> Verdict:
    rng = np.random.default_rng(5)
    reference = lockgate.profile({"wind": rng.standard_normal(20_000)})
    return lockgate.drift(reference, lockgate.profile({"wind": rng.normal(0.6, 1, 900)}, against=reference)).verdict


CHAMPION = 0.5 + DAYS / 4
STEP = Step(name="5%", kind="share", share=0.05, tolerance=0.01)
# name: (a real verdict, its ruling, how many panels)
CASES: dict[str, tuple[Verdict, Ruling, int]] = {
    "judge stops": (judge(lockgate.Policy(kind="rate"), 3.0), Ruling.FAIL, 2),
    "judge promotes": (judge(lockgate.Policy(kind="rate", promote=True), 0.8), Ruling.PASS, 2),
    "latency": (judge(lockgate.Policy(kind="latency"), 1.3), Ruling.FAIL, 2),
    "void": (judge(lockgate.Policy(kind="rate"), 1.0, came=0.25), Ruling.VOID, 3),
    "better": (by_days(-0.02, "better"), Ruling.PASS, 3),
    "worse": (by_days(0.03), Ruling.FAIL, 3),
    "undecided": (by_days(0.005), Ruling.UNDECIDED, 3),
    "two days": (by_days(0.0, days=2), Ruling.UNDECIDED, 2),
    "quality": (
        of(quality(SPEC, champion_loss=CHAMPION, challenger_loss=1.25 * CHAMPION, history=np.array([]))),
        Ruling.FAIL,
        3,
    ),
    "decay": (
        of(decay(reference_skill=0.2, tolerance=0.02, loss=0.9 * CHAMPION, base_loss=CHAMPION)),
        Ruling.FAIL,
        3,
    ),
    "drift": (drifted(), Ruling.FAIL, 1),
    "drift of old": (of(MOVED_ONCE), Ruling.FAIL, 1),
    "breaks": (of(contract_breaks(SPEC, pairs=400, broke=(1, 25))), Ruling.UNDECIDED, 1),
    "safe": (of(by_rate(SPEC, STEP, calls=800, bad=0, steps=4)), Ruling.PASS, 1),
    "offline": (offline(), Ruling.UNDECIDED, 2),
}
NOTHING = of(worth(SPEC, metric="log_loss", not_worse_by=0.002, differences=np.array([]), history=np.array([])))


@functools.cache
def spec_of(name: str) -> dict[str, Any]:
    return drawing.spec(CASES[name][0])


every = pytest.mark.parametrize("name", CASES)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [value]


def mentions(value: Any, key: str) -> list[Any]:
    """Everything that stands under `key`, however deep."""
    if isinstance(value, dict):
        own = [value[key]] if key in value else []
        return own + [found for part in value.values() for found in mentions(part, key)]
    return [found for part in value for found in mentions(part, key)] if isinstance(value, list) else []


@every
def test_a_verdict_is_drawn_in_panels_under_its_sentence(name: str) -> None:
    found, ruling, panels = CASES[name]
    spec = spec_of(name)
    assert found.ruling is ruling
    assert len(spec["vconcat"]) == panels
    assert " ".join(spec["title"]["text"]) == found.sentence
    assert spec["title"]["subtitle"].startswith(ruling.upper())
    assert all(math.isfinite(leaf) for leaf in leaves(spec) if isinstance(leaf, int | float))


@pytest.mark.parametrize("name", ["judge promotes", "two days", "drift", "offline", "latency"])
def test_altair_takes_the_chart_as_valid(name: str) -> None:
    """Between them they have every panel."""
    alt = pytest.importorskip("altair")
    found = drawing.chart(CASES[name][0])
    assert isinstance(found, alt.VConcatChart)
    assert found.to_dict()["vconcat"]


@every
def test_every_axis_says_in_words_what_it_counts(name: str) -> None:
    titles = {title for title in mentions(spec_of(name)["vconcat"], "title") if isinstance(title, str)}
    assert all(re.search(r"[a-z]{3}", title) for title in titles)
    assert len(titles) >= 1


@every
def test_no_colour_is_used_that_a_dark_screen_has_no_counterpart_for(name: str) -> None:
    used = {leaf for leaf in leaves(spec_of(name)) if isinstance(leaf, str) and leaf.startswith("#")}
    assert used <= drawing.DARK.keys()


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("is_dark", [False, True])
def test_words_and_lines_stand_out_from_the_paper(is_dark: bool) -> None:
    """The contrast of WCAG 2.1: 4.5 for words, 3 for lines and bars."""
    shown = {light: dark if is_dark else light for light, dark in drawing.DARK.items()}
    for colour, least in ((drawing.INK, 4.5), (drawing.SOFT, 4.5), (drawing.BLUE, 3.0), (drawing.ORANGE, 3.0)):
        bright, dim = sorted((luminance(shown[colour]), luminance(shown[drawing.PAPER])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= least


def test_the_line_and_the_block_where_it_is_reached_are_written_into_the_chart() -> None:
    found = CASES["worse"][0]
    said = json.dumps(drawing.spec(found))
    assert "20 decides" in said
    assert f"reached after {found.evidence.blocks} days" in said
    assert "0.005: margin" in said
    assert "0: alike" in said
    assert "reached after" not in json.dumps(spec_of("undecided"))


def test_void_evidence_is_drawn_grey_and_called_unused() -> None:
    spec = spec_of("void")
    reason, interval, path = spec["vconcat"]
    assert "void the rest" in reason["title"]["text"][0]
    assert path["title"]["text"][0].startswith("Not used: ")
    assert drawing.BLUE not in leaves([interval, path])


def test_evidence_that_is_empty_is_refused_by_name() -> None:
    for draw in (drawing.spec, drawing.chart, drawing.text):
        with pytest.raises(SpecError, match="of 'worth' holds no evidence that could be drawn"):
            draw(NOTHING)


def test_a_judge_that_voids_before_any_bet_is_still_drawn() -> None:
    """Nobody failed: there is no interval and no news, only why it is void."""
    rng = np.random.default_rng(5)
    arm = (rng.random(400) < 0.4).astype(int)
    found = lockgate.Judge(lockgate.Policy(kind="rate")).observe_batch(arm, np.zeros(400), 0.2)
    assert found is not None
    assert found.ruling is Ruling.VOID
    assert drawing.spec(found)["vconcat"]
    assert drawing.text(found)


def test_very_many_blocks_are_drawn_as_means_of_neighbours() -> None:
    found = offline(days=500)
    panel = drawing.spec(found)["vconcat"][-1]
    (rows,) = [data for data in mentions(panel, "values") if data and "said" in data[0]]
    assert len(rows) <= drawing.MOST_BARS
    assert rows[0]["value"] == pytest.approx(np.mean(found.evidence.values[:5]))
    assert "a bar is the mean of 5" in panel["title"]["text"][0]


def test_an_e_value_beyond_reading_leaves_its_line_visible() -> None:
    found = CASES["decay"][0]
    assert (found.evidence.log_e or 0) > 5 * math.log(20)
    tops = [max(scale["domain"]) for scale in mentions(drawing.spec(found)["vconcat"][1], "scale")]
    assert math.log10(20) < max(top for top in tops if top < 10) < 4 * math.log10(20)


def test_without_altair_a_chart_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for draw in (drawing.chart, drawing.svg, drawing.page):
        with pytest.raises(SpecError, match=r"not installed\. Run: pip install lockgate\[report\]"):
            draw(CASES["worse"][0])
    assert spec_of("worse")
    assert "not installed" in notebook.html(CASES["worse"][0])


@every
def test_lines_for_a_terminal_keep_to_their_width(name: str) -> None:
    width = 40 if name in ("judge promotes", "worse", "offline", "breaks") else 60
    lines = drawing.text(CASES[name][0], width)
    assert lines
    assert max(len(line) for line in lines) <= width
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)


def row(lines: tuple[str, ...], label: str) -> str:
    return next(line[10:].split(" ")[0] for line in lines if line.startswith(f"{label} "))


@pytest.mark.parametrize(
    "name", ["judge stops", "judge promotes", "latency", "better", "worse", "quality", "undecided"]
)
def test_in_the_terminal_a_full_bar_is_a_line_reached_and_nothing_else(name: str) -> None:
    found, ruling, _ = CASES[name]
    drawn = row(drawing.text(found, 60), "evidence")
    assert drawn.count("█") == (ruling is not Ruling.UNDECIDED)
    assert set(drawn) <= set(BARS)


def test_in_the_terminal_the_interval_closes_and_days_fall_on_their_side_of_nought() -> None:
    found = CASES["undecided"][0]
    lines = drawing.text(found, 72)
    upper, lower = row(lines, "at most"), row(lines, "at least")
    assert BARS.index(upper[-1]) < BARS.index(upper[0])
    assert BARS.index(lower[-1]) > BARS.index(lower[0])
    values = found.evidence.values
    assert [mark != "·" for mark in row(lines, "worse")] == [value > 0 for value in values]
    assert [mark != "·" for mark in row(lines, "better")] == [value < 0 for value in values]


def test_in_the_terminal_a_gauge_passes_its_line_only_when_it_was_reached() -> None:
    reached, short = (row(drawing.text(CASES[name][0], 72), "evidence") for name in ("safe", "breaks"))
    assert "█" in reached.split("│")[1]
    assert "█" not in short


def test_a_terminal_too_narrow_is_refused() -> None:
    with pytest.raises(SpecError, match="39 columns"):
        drawing.text(CASES["worse"][0], 39)


def test_json_is_written_for_other_tools(tmp_path: Path) -> None:
    path = drawing.save(CASES["better"][0], tmp_path / "evidence.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(spec_of("better")))


def test_an_unknown_suffix_and_a_missing_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"suffix '.svgz'.*Did you mean '.svg'"):
        drawing.save(CASES["better"][0], tmp_path / "evidence.svgz")
    with pytest.raises(SpecError, match=r"no folder .*nowhere"):
        drawing.save(CASES["better"][0], tmp_path / "nowhere" / "evidence.json")
    assert not list(tmp_path.iterdir())


def addresses(markup: ET.Element) -> list[str]:
    kinds = ("href", "src", "{http://www.w3.org/1999/xlink}href")
    return [part.attrib[kind] for part in markup.iter() for kind in kinds if kind in part.attrib]


def test_a_picture_is_whole_in_itself_and_follows_the_readers_screen(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    path = drawing.save(CASES["worse"][0], tmp_path / "evidence.svg")
    picture = ET.parse(path).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert not addresses(picture)
    assert "prefers-color-scheme: dark" in path.read_text()
    written = "".join(picture.itertext())
    assert "20 decides" in written
    assert "http" not in written


def test_two_pictures_on_one_page_share_no_id() -> None:
    pytest.importorskip("vl_convert")
    first, second = (set(re.findall(r'id="([^"]+)"', drawing.svg(CASES[name][0]))) for name in ("worse", "better"))
    assert first
    assert not first & second


def test_words_of_a_verdict_never_become_markup() -> None:
    pytest.importorskip("vl_convert")
    sentence = 'Model "</script><script>alert(1)</script><b>" & co'
    hostile = msgspec.structs.replace(CASES["drift"][0], sentence=sentence, id='v"><b>')
    page = drawing.page(hostile)
    assert page.count("</script>") == 2
    before, bundle = page.split("<script>", maxsplit=1)
    assert "<b>" not in before + bundle.split("</script>", maxsplit=1)[1]
    assert "<b>" not in notebook.html(hostile)
    ET.fromstring(drawing.svg(hostile))


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium: apt-get install chromium")
def test_a_page_draws_itself_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    from playwright.sync_api import sync_playwright

    path = drawing.save(CASES["judge promotes"][0], tmp_path / "evidence.html")
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        context = browser.new_context(offline=True, color_scheme="dark")
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector("#drawing.vega-embed svg.marks")
        words = page.locator("svg.marks").text_content() or ""
        paper = page.locator("svg.marks").evaluate("mark => getComputedStyle(mark).backgroundColor")
        browser.close()
    assert asked == [path.as_uri()]
    assert complaints == []
    assert "100 decides" in words
    assert paper == "rgb(27, 27, 26)"


def test_a_notebook_shows_a_verdict_once_it_is_asked_to() -> None:
    pytest.importorskip("vl_convert")
    shells = pytest.importorskip("IPython.core.interactiveshell", reason="no IPython: pip install ipython")
    shell = shells.InteractiveShell()
    found = CASES["offline"][0]
    assert "text/html" not in shell.display_formatter.format(found)[0]
    notebook.register(shell)
    notebook.load_ipython_extension(shell)
    shown = shell.display_formatter.format(found)[0]["text/html"]
    assert found.sentence in shown
    assert "<svg " in shown
    assert "<script" not in shown


def test_a_notebook_says_why_there_is_no_drawing() -> None:
    shown = notebook.html(NOTHING)
    assert NOTHING.sentence in shown
    assert "no evidence that could be drawn" in shown


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0123, "0.0123"), (4.5678, "4.57"), (1234.5, "1,234"), (-2e6, "-10^6"), (3e9, "10^9"), (math.inf, "no limit")],
)
def test_a_figure_has_three_digits_and_never_an_exponent(value: float, said: str) -> None:
    assert figure(value) == said


def test_an_e_value_no_float_can_hold_is_a_power_of_ten() -> None:
    assert e_value(math.log(170)) == "170"
    assert e_value(2302.585093) == "10^1000"
    assert e_value(-2302.585093) == "10^-1000"


@pytest.mark.parametrize(
    ("block", "number", "said"),
    [
        ("1d", 1, "1 day"),
        ("1d", 12, "12 days"),
        ("6h", 1, "1 block of 6h"),
        ("6h", 4, "4 blocks of 6h"),
        ("plane", 3, "3 planes"),
    ],
)
def test_blocks_are_counted_in_their_own_words(block: str, number: float, said: str) -> None:
    assert counted(Evidence(block=block), number) == said


def test_importing_lockgate_in_a_notebook_is_enough_for_verdicts_to_be_drawn() -> None:
    """In a process of its own: a shell, an import, and the formatter asked as the notebook asks it."""
    asked = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "import sys, lockgate as lg\n"
        "assert 'numpy' not in sys.modules\n"
        "judge = lg.Judge(lg.Policy(kind='paired'))\n"
        "verdict = judge.observe_batch([0] * 40, [0.0] * 40, shadow=[1.0] * 40)\n"
        "found, _ = shell.display_formatter.format(verdict)\n"
        "assert '<svg' in found['text/html'] and verdict.sentence in found['text/html']\n"
    )
    pytest.importorskip("IPython", reason="no IPython: pip install ipython")
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
