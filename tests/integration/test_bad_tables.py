"""What people bring by mistake, through the real command: a sentence that names the place, a cure that a person can do,
exit 3, and nothing half-written. What can be judged all the same is judged, and the fault is named.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lockgate.records import Finding, Report

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
TEXT = ["island", "sex"]
MODEL = "model.joblib"


def pipeline(learnt: pd.DataFrame, last: Any = None) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    parts = [("numbers", numbers, NUMBERS), ("text", OneHotEncoder(handle_unknown="ignore"), TEXT)]
    made = make_pipeline(ColumnTransformer(parts, sparse_threshold=0), last or LogisticRegression(max_iter=1000))
    return made.fit(learnt[NUMBERS + TEXT], learnt["species"])


@dataclass
class Desk:
    """A folder with the model of penguins, and the rows that it never saw."""

    folder: Path
    learnt: pd.DataFrame
    held: pd.DataFrame

    def table(self, table: pd.DataFrame, name: str = "table.csv", **how: Any) -> str:
        table.to_csv(self.folder / name, index=False, **how)
        return name

    def check(self, table: str, *more: str, model: str = MODEL) -> subprocess.CompletedProcess[str]:
        """The command, with a room of its own for what it writes meanwhile."""
        room = self.folder / "tmp"
        room.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "lockgate", "check", model, table, "--target", "species", *more],
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(room)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def refused(self, table: str, *more: str, model: str = MODEL) -> str:
        """The one sentence on standard error, its cure included; nothing else is said, and nothing is left behind."""
        before = self.files()
        ran = self.check(table, "--json", "--out", "report.json", *more, model=model)
        assert (ran.returncode, ran.stdout) == (3, ""), ran.stderr + ran.stdout
        said = [line for line in ran.stderr.splitlines() if not (line.startswith("  ") and line.endswith("..."))]
        assert len(said) == 1, ran.stderr
        assert said[0].startswith("lockgate: ")
        assert "bug" not in said[0]
        assert self.files() == before
        return said[0].removeprefix("lockgate: ")

    def findings(self, table: str, *more: str, model: str = MODEL) -> list[Finding]:
        ran = self.check(table, "--json", *more, model=model)
        assert ran.returncode in (0, 1, 2), ran.stderr
        return list(msgspec.json.decode(ran.stdout, type=Report).findings)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")} | {"tmp"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    spec = importlib.util.find_spec("plotnine")
    assert spec is not None
    assert spec.submodule_search_locations
    table = pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / "penguins.csv")
    learnt = table.sample(frac=0.5, random_state=0)
    desk = Desk(tmp_path_factory.mktemp("desk"), learnt, table.drop(learnt.index).drop(columns="year"))
    joblib.dump(pipeline(learnt), desk.folder / MODEL)
    return desk


def test_another_separator_is_named_and_saying_so_is_enough(desk):
    table = desk.table(desk.held, sep=";")
    said = desk.refused(table)
    assert "table.csv has a semicolon between its values" in said
    assert "--separator ';'" in said
    assert desk.check(table, "--separator", ";").returncode in (0, 1, 2)


def test_decimal_commas_are_named_and_saying_so_is_enough(desk):
    table = desk.table(desk.held, sep=";", decimal=",")
    said = desk.refused(table, "--separator", ";")
    assert "39,5" in said or "decimal comma" in said
    assert "--decimal-comma" in said
    assert desk.check(table, "--separator", ";", "--decimal-comma").returncode in (0, 1, 2)


def test_a_word_in_a_column_of_numbers_is_named_by_its_line(desk):
    mixed = desk.held.astype({"bill_length_mm": object})
    mixed.iloc[7, mixed.columns.get_loc("bill_length_mm")] = "about 40"
    said = desk.refused(desk.table(mixed))
    assert "Column 'bill_length_mm' of table.csv holds text where numbers should be" in said
    assert "line 9" in said
    assert "'about 40'" in said
    assert "Mend the value, or leave it empty" in said


def test_text_where_the_model_wants_numbers_is_named(desk):
    units = desk.held.flipper_length_mm.map(lambda value: f"{value} mm")
    said = desk.refused(desk.table(desk.held.assign(flipper_length_mm=units)))
    assert "The model cannot answer these rows" in said
    assert "'flipper_length_mm' holds text, such as '" in said
    assert "as they were in training" in said


def test_a_target_of_one_class_tells_nothing_apart(desk):
    said = desk.refused(desk.table(desk.held[desk.held.species == "Adelie"]))
    assert "'species' has only one value, 'Adelie'" in said
    assert "Name another target" in said


def test_a_class_that_a_model_of_two_never_saw_is_named(desk):
    joblib.dump(pipeline(desk.learnt[desk.learnt.species != "Gentoo"]), desk.folder / "two.joblib")
    said = desk.refused(desk.table(desk.held), model="two.joblib")
    assert "'species' is 'Gentoo'" in said
    assert "never seen in training; known: Adelie, Chinstrap" in said
    assert "Leave those rows out, or train again with them" in said


def test_a_class_that_a_model_of_several_never_saw_counts_against_it(desk):
    rare = desk.held.assign(species=np.where(np.arange(len(desk.held)) % 20 == 3, "Macaroni", desk.held.species))
    found = [finding for finding in desk.findings(desk.table(rare)) if finding.kind == "unseen_class"]
    assert len(found) == 1
    assert "'Macaroni'" in found[0].sentence
    assert found[0].cure


def test_a_number_that_is_missing_throughout_is_named(desk):
    found = desk.findings(desk.table(desk.held.assign(body_mass_g=np.nan)))
    assert any(f.column == "body_mass_g" and "missing in every row" in f.sentence for f in found), found


def test_text_that_is_missing_throughout_is_named(desk):
    table = desk.table(desk.held.assign(sex=np.nan))
    ran = desk.check(table, "--json")
    told = ran.stderr if ran.returncode == 3 else ran.stdout
    assert "sex" in told
    assert "missing in every row" in told


def test_histogram_boosting_answers_where_a_column_is_missing_throughout(desk):
    model = HistGradientBoostingClassifier(max_iter=20).fit(desk.learnt[NUMBERS], desk.learnt.species)
    joblib.dump(model, desk.folder / "boosting.joblib")
    found = desk.findings(desk.table(desk.held.assign(body_mass_g=np.nan)), model="boosting.joblib")
    assert any(f.column == "body_mass_g" for f in found), found


def test_five_rows_judge_no_model(desk):
    said = desk.refused(desk.table(desk.held.sample(5, random_state=1)))
    assert "5 rows with a 'species' can judge no model" in said
    assert "Bring at least 10" in said


def test_a_dozen_rows_stop_a_verdict_from_passing(desk):
    ran = desk.check(desk.table(desk.held.sample(12, random_state=2)), "--json")
    report = msgspec.json.decode(ran.stdout, type=Report)
    assert [f for f in report.findings if f.kind == "rows" and f.grade == "stop"]
    assert ran.returncode != 0


def test_rows_that_occur_twice_are_counted(desk):
    twice = pd.concat([desk.held, desk.held.head(30)])
    found = [finding for finding in desk.findings(desk.table(twice)) if finding.kind == "duplicates"]
    assert "30 of 202 tested rows" in found[0].sentence
    assert "Drop the copies" in found[0].cure


def test_times_with_and_without_an_offset_are_refused_by_line(desk):
    stamps = [f"2020-01-{1 + n % 28:02d}T10:00:00{'' if n % 2 else '+02:00'}" for n in range(len(desk.held))]
    said = desk.refused(desk.table(desk.held.assign(seen=stamps)))
    assert "Column 'seen' of table.csv mixes times with an offset and times without" in said
    assert "line 3" in said
    assert "Write every time with its offset" in said


def test_times_of_several_offsets_are_the_moments_they_say(desk):
    stamps = [f"2020-01-{1 + n % 28:02d}T10:00:00{'Z' if n % 2 else '+02:00'}" for n in range(len(desk.held))]
    found = desk.findings(desk.table(desk.held.assign(seen=stamps)))
    assert any("+02:00" in f.sentence and "same moments in UTC" in f.sentence for f in found), found


def test_a_pickle_cut_short_is_named(desk):
    body = (desk.folder / MODEL).read_bytes()
    (desk.folder / "cut.joblib").write_bytes(body[: len(body) // 2])
    said = desk.refused(desk.table(desk.held), model="cut.joblib")
    assert "cut.joblib cannot be read as a pickle" in said
    assert "copy or save it again" in said


class Writes:
    """A pickle of it runs a command where it is loaded."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._file}",)


def test_a_pickle_that_would_write_a_file_is_refused_by_name_and_writes_none(desk):
    written = desk.folder / "written"
    body = pickle.dumps([joblib.load(desk.folder / MODEL), Writes(written)])
    (desk.folder / "malicious.pkl").write_bytes(body)
    said = desk.refused(desk.table(desk.held), model="malicious.pkl")
    assert "malicious.pkl names posix.system" in said
    assert "--trust" in said
    assert not written.exists()
    # The pickle does what it says: it is the check that kept it from it.
    pickle.loads(body)
    assert written.exists()
    written.unlink()


def test_a_model_of_another_version_is_named_with_the_version_to_install(desk):
    body = (desk.folder / MODEL).read_bytes()
    here = sklearn.__version__
    other = f"{int(here[0]) - 1}{here[1:]}"
    (desk.folder / "older.joblib").write_bytes(body.replace(here.encode(), other.encode()))
    chance = pipeline(desk.learnt).predict_proba(desk.held[NUMBERS + TEXT]).max(axis=1)
    table = desk.table(desk.held.assign(said=chance))
    found = [f for f in desk.findings(table, "--answers", "said", model="older.joblib") if f.kind == "library"]
    assert any(f"written by scikit-learn {other}, and {here} is installed" in f.sentence for f in found), found
    assert any(f"pip install scikit-learn=={other}" in f.cure for f in found), found
    assert any(f"agree with said on all {len(desk.held)} rows" in f.sentence for f in found), found


def test_answers_that_are_no_longer_the_same_are_counted(desk):
    chance = pipeline(desk.learnt).predict_proba(desk.held[NUMBERS + TEXT]).max(axis=1)
    chance[:9] = chance[:9] - 0.25
    table = desk.table(desk.held.assign(said=chance))
    found = [f for f in desk.findings(table, "--answers", "said") if f.kind == "library"]
    assert any(f"differ from said on 9 of {len(desk.held)} rows" in f.sentence for f in found), found


def test_a_model_that_expects_other_columns_names_them_and_the_nearest(desk):
    table = desk.table(desk.held.rename(columns={"bill_length_mm": "bill_length"}))
    said = desk.refused(table)
    assert "'bill_length_mm'" in said
    assert "Did you mean 'bill_length'?" in said


def test_the_table_given_as_the_model_is_recognised(desk):
    said = desk.refused(MODEL, model=desk.table(desk.held))
    assert "table.csv looks like text (a table, perhaps)" in said
