"""Reports as people read them: real models, real rows, in lines of any width."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from unicodedata import category

import msgspec
import pytest

from lockgate.errors import SpecError
from lockgate.records import Finding, Library, Pace, Report, Ruling
from lockgate.report.checked import told
from lockgate.report.checked.figures import decimals, number, rounded
from lockgate.report.checked.terminal import text

Checked = Callable[..., Report]
TASKS = ("binary", "multiclass", "regression")
CUT = "(--json has all)"
HOSTILE = "<script>alert(1)</script>\x1b[2J\n| `x` |"


def flat(lines: tuple[str, ...]) -> str:
    """The words as they were before they were wrapped."""
    return re.sub(r"\s+", " ", " ".join(lines))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("width", [60, 72, 80, 100, 120])
def test_no_line_is_wider_than_it_may_be_and_none_ends_in_blanks(checked: Checked, task: str, width: int) -> None:
    lines = text(checked(task), width)
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    assert len(lines) < 90


@pytest.mark.parametrize("task", TASKS)
def test_the_verdict_comes_first_and_what_to_do_comes_last(checked: Checked, task: str) -> None:
    report = checked(task)
    lines = text(report)
    assert lines[0].startswith(report.ruling.upper())
    assert report.sentence in flat(lines)
    assert [line for line in lines if not line.startswith(" ")][-1].startswith("next: ")


@pytest.mark.parametrize("task", TASKS)
def test_the_model_and_every_baseline_stand_in_the_table_with_the_chosen_metric(checked: Checked, task: str) -> None:
    report = checked(task)
    lines = text(report, 100)
    start = next(n for n, line in enumerate(lines) if line.startswith("metrics "))
    rows = lines[start + 1 : start + 2 + len(report.rivals)]
    assert [row.split()[0] for row in rows] == ["model.joblib", *(rival.name for rival in report.rivals)]
    assert ["★" in row for row in rows].count(True) == 1
    assert "★" in rows[1]
    for row, score in zip(rows, [report.scores[0], *(rival.scores[0] for rival in report.rivals)], strict=True):
        low, high = (float(end) for end in re.findall(r"\[(-?[\d.]+), (-?[\d.]+)\]", row)[0])
        assert (low, high) == pytest.approx((score.low, score.high), abs=0.05 * abs(score.value))


def test_a_winner_is_drawn_left_of_nought_where_less_is_better(checked: Checked) -> None:
    report = checked("binary")
    assert report.ruling is Ruling.PASS
    drawn = next(line for line in text(report) if line.startswith("  rule") and "●" in line)
    assert drawn.index("●") < drawn.index("│")
    assert drawn.endswith("better")


def test_a_loser_is_told_so_plainly(loser: Report) -> None:
    lines = text(loser)
    assert loser.ruling is Ruling.FAIL
    assert lines[0].startswith("FAIL  model.joblib loses to a baseline, rule")
    drawn = next(line for line in lines if line.startswith("  rule") and "●" in line)
    assert drawn.index("●") > drawn.index("│")
    assert drawn.endswith("worse")
    assert "next: Do not serve it" in flat(lines)


def test_where_more_is_better_the_figures_and_the_words_agree(checked: Checked) -> None:
    """The verdict counts up for worse; a person reads accuracy as accuracy."""
    report = checked("binary", metric="roc_auc")
    assert report.proposal.metric == "roc_auc"
    lines = text(report)
    assert any("left of │ worse, right better" in line for line in lines)
    drawn = next(line for line in lines if line.startswith("  rule") and "●" in line)
    assert drawn.index("●") > drawn.index("│")
    estimate = float(re.findall(r"\+[\d.]+", drawn)[0])
    own, theirs = report.scores[0].value, report.rivals[0].scores[0].value
    assert estimate == pytest.approx(own - theirs, abs=0.006)


def test_what_cannot_be_trusted_is_said_before_any_figure(leaky: Report) -> None:
    lines = text(leaky)
    words = flat(lines)
    grades = [line.split()[0] for line in lines if line.startswith(("STOP", "WARN", "note"))]
    assert grades == sorted(grades, key=("STOP", "WARN", "note").index)
    assert lines[0].startswith("VOID  Nothing can be ruled on these rows: ")
    assert words.index("As the figures stand") < words.index("STOP") < words.index("metrics log loss")
    for finding in leaky.findings:
        if finding.grade != "note":
            assert finding.sentence in words
            assert f"→ {finding.cure}" in words
    assert "paid_back" in words


def test_a_cure_is_told_once(leaky: Report) -> None:
    assert leaky.findings[0].cure in leaky.next
    assert flat(text(leaky)).count(leaky.findings[0].cure) == 1


def test_few_rows_are_called_few(checked: Checked) -> None:
    lines = text(checked("binary", 20))
    assert any(line.startswith("STOP  Only 20 rows were tested") for line in lines)
    assert "One bin only" in flat(lines)


def test_slices_come_worst_first_and_the_rest_is_counted(sliced: Report) -> None:
    lines = text(sliced, 80)
    start = next(n for n, line in enumerate(lines) if line.startswith("slices: absolute error minus that of ridge"))
    worst = max(sliced.slices, key=lambda item: (item.state == "worse", item.estimate))
    assert lines[start + 1].startswith(f"  {worst.column} = {worst.level}")
    assert f"{len(sliced.slices)} slices against ridge" in flat(lines)
    weakest = sliced.weakest[0]
    assert any(line.startswith(f"  {weakest.column} = {weakest.level} ") for line in lines)


def test_long_lists_are_cut_and_say_so(checked: Checked) -> None:
    notes = tuple(Finding(kind="constant", grade="note", sentence=f"Column {n} never changes.") for n in range(15))
    found = text(msgspec.structs.replace(checked("binary"), findings=notes))
    assert sum(line.startswith("note") for line in found) == 3
    assert f"      and 12 more notes {CUT}" in found


def test_speed_is_one_row_per_engine_with_the_largest_batch_at_any_width(checked: Checked) -> None:
    for width in (60, 80, 120):
        rows = [line for line in text(checked("binary"), width) if line.startswith(("  native", "  compiled"))]
        assert len(rows) == 2
        assert "0.334 ms" in rows[0]
        assert rows[0].endswith("2,380,000")
        assert rows[1].endswith("1,110,000")


def test_a_model_without_a_compiled_path_shows_one_engine_and_the_reason(checked: Checked) -> None:
    report = checked("binary")
    assert report.benchmark is not None
    assert report.parity is not None
    native = msgspec.structs.replace(
        report.benchmark,
        pace=(Pace(rows=1, native_us=250.0),),
        one_row_ms={"native": (0.25, 0.4)},
        native_from_rows=None,
    )
    refused = msgspec.structs.replace(report.parity, is_passed=False, reason="CatBoost in a Pipeline does not convert.")
    lines = text(msgspec.structs.replace(report, benchmark=native, parity=refused))
    assert not [line for line in lines if line.startswith("  compiled")]
    assert "compiled   CatBoost in a Pipeline does not convert." in lines
    assert "go to the native model" not in flat(lines)


def test_a_report_without_the_optional_parts_is_still_whole(checked: Checked) -> None:
    bare = msgspec.structs.replace(
        checked("regression"),
        library=None,
        benchmark=None,
        parity=None,
        contract=None,
        curve=(),
        calibration=(),
        next=(),
    )
    lines = text(bare, 80)
    assert lines[0].startswith("FAIL")
    assert not [line for line in lines if line.startswith(("speed", "learning", "calibration", "contract", "next"))]


def test_names_cannot_command_the_terminal(checked: Checked) -> None:
    lines = text(
        msgspec.structs.replace(checked("regression", rename=HOSTILE), target=HOSTILE, name="m\x1b]0;x\x07\u202e")
    )
    assert not [c for line in lines for c in line if category(c)[0] == "C"]
    assert "\\x1b[2J" in flat(lines)


def test_wide_letters_keep_the_columns_straight(checked: Checked) -> None:
    report = checked("binary")
    lines = text(msgspec.structs.replace(report, name="模型一号"))
    own = next(line for line in lines if line.startswith("  模型一号 "))
    rule = next(line for line in lines if line.startswith("  rule ★"))
    assert own.index("0.0") + 4 == rule.index("0.3")


def test_a_name_longer_than_the_terminal_breaks_nothing(checked: Checked) -> None:
    report = msgspec.structs.replace(checked("regression"), name="m" * 300, target="t" * 300)
    assert max(map(len, text(report, 80))) <= 80


def test_too_narrow_a_terminal_is_refused_with_its_cure(checked: Checked) -> None:
    with pytest.raises(SpecError, match="--json"):
        text(checked("binary"), 59)


def test_the_same_report_is_told_the_same_after_it_was_written_down(checked: Checked) -> None:
    report = checked("multiclass")
    again = msgspec.json.decode(msgspec.json.encode(report), type=Report)
    assert text(again) == text(report)
    assert json.loads(msgspec.json.encode(again))["ruling"] == report.ruling


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (((0.07501, 0.048, 0.142),), 3),
        (((816.5, 790.0, 843.0),), 0),
        (((0.0322, None, None),), 4),
        (((0.0, None, None),), 3),
        (((0.5, float("nan"), float("nan")),), 3),
    ],
)
def test_figures_bear_two_digits_of_their_interval(ends: Any, said: int) -> None:
    assert decimals(ends) == said


@pytest.mark.parametrize(
    ("value", "places", "said"),
    [(1234567.0, 0, "1,234,567"), (12.3e6, 0, "12.3M"), (-0.00001, 2, "0.00"), (-0.0, 0, "0"), (float("inf"), 2, "-")],
)
def test_a_number_never_grows_wide_nor_shows_a_sign_of_nought(value: float, places: int, said: str) -> None:
    assert number(value, places) == said


def test_large_counts_are_rounded_to_three_figures() -> None:
    assert rounded(196_078.4) == "196,000"
    assert rounded(12.345) == "12.3"


def test_the_learning_curve_says_whether_more_rows_would_help(checked: Checked) -> None:
    report = checked("binary")
    assert told.curve(report).endswith("more rows may still help.")
    flat_end = msgspec.structs.replace(
        report, curve=(*report.curve, msgspec.structs.replace(report.curve[-1], rows=700))
    )
    assert told.curve(flat_end).endswith("promise little.")


def test_every_ruling_is_followed_by_a_blank(checked: Checked) -> None:
    for ruling in Ruling:
        lines = text(msgspec.structs.replace(checked("binary"), ruling=ruling))
        assert lines[0].startswith(f"{ruling.upper():<5} model.joblib")


def test_an_interval_without_nought_that_tells_nothing_is_explained(checked: Checked) -> None:
    report = checked("binary")
    rival = report.rivals[0]
    assert rival.verdict.evidence.high is not None
    assert rival.verdict.evidence.high < 0
    held = msgspec.structs.replace(rival, verdict=msgspec.structs.replace(rival.verdict, ruling=Ruling.UNDECIDED))
    lines = text(msgspec.structs.replace(report, rivals=(held, *report.rivals[1:])))
    assert next(line for line in lines if line.startswith("  rule") and "●" in line).endswith("not told apart *")
    assert "* would count if it were the only one; among 2 baselines looked at together it does not." in flat(lines)
    assert "would count" not in flat(text(report))


def test_long_levels_and_wide_figures_stay_inside_a_narrow_terminal(sliced: Report) -> None:
    long = tuple(msgspec.structs.replace(item, column="origin_delay_of_the_last_3_hours") for item in sliced.slices)
    for width in (60, 80):
        assert max(map(len, text(msgspec.structs.replace(sliced, slices=long), width))) <= width


def test_the_library_is_said_once_and_an_unknown_version_is_said_to_be_unknown(checked: Checked) -> None:
    report = checked("regression")
    own = msgspec.structs.replace(report, format="lightgbm", library=Library(name="lightgbm", version=None))
    assert told.model(own).startswith("LightGBM (its file does not say by which version); ")
    assert told.model(report).startswith("joblib, written by scikit-learn 1.9.0; ")
