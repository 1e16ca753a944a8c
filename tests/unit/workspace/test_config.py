"""lockgate.toml: what is unknown, misplaced or not acted on is refused by name, with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.errors import NotFound, SpecError
from lockgate.records import LogSpec, ModelSpec, OutcomesSpec, Rule, Severity
from lockgate.workspace import config

REFUSED = {
    "an unknown key": ('[model.a]\ntarget = "y"\ntaget_ = "z"\n', ["taget_", "Did you mean 'target'?"]),
    "an unknown key further in": (
        '[model.a]\ntarget = "y"\n[model.a.rollout]\nguardrail = []\n',
        ["guardrails", "rollout"],
    ),
    "an unknown table": ("[modle.a]\n", ["modle", "Did you mean 'model'?"]),
    "a wrong type": ("[model.a]\ntarget = 1\n", ["target", "str"]),
    "no target": ('[model.a]\nunit = "u"\n', ["target"]),
    "a metric nobody knows": ('[model.a]\ntarget = "y"\nmetric = "f1"\n', ["f1", "log_loss"]),
    "a metric of another task": ('[model.a]\ntarget = "y"\nmetric = "absolute_error"\n', ["binary", "brier"]),
    "a guardrail nobody knows": (
        '[model.a]\ntarget = "y"\n[model.a.rollout]\nguardrails = ["cost"]\n',
        ["cost", "failures"],
    ),
    "a step nobody knows": (
        '[model.a]\ntarget = "y"\n[model.a.rollout]\nladder = ["mirror", 1.0]\n',
        ["mirror", "shadow"],
    ),
    "a ladder that does not climb": (
        '[model.a]\ntarget = "y"\n[model.a.rollout]\nladder = ["shadow", 0.5, 0.2, 1.0]\n',
        ["climb"],
    ),
    "a log that forgets what is not closed yet": (
        '[model.a]\ntarget = "y"\n[model.a.outcomes]\nhorizon = "30d"\n[model.a.log]\nretention = "31d"\n',
        ["log.retention of 31d", "outcomes.horizon of 30d", "2 days longer"],
    ),
    "a duration without a unit": ('[model.a]\ntarget = "y"\n[model.a.outcomes]\nhorizon = "12"\n', ["12", "12h"]),
    "an A/B that leaves the champion nothing": (
        '[model.a]\ntarget = "y"\n[model.a.ab]\nmetric = "conversion"\nshare = [0.5, 0.5]\n',
        ["leave the champion nothing"],
    ),
    "a key that nothing acts on": (
        '[model.a]\ntarget = "y"\n[model.a.budget]\nalpha = -1\n',
        ["alpha"],
    ),
    "an unknown key of a column": (
        '[model.a]\ntarget = "y"\n[model.a.contract.columns]\nx = { lo = 1 }\n',
        ["contract: columns.x", "'lo'", "Did you mean 'low'"],
    ),
    "an unknown key of a severity": (
        '[model.a]\ntarget = "y"\n[model.a.contract.columns]\nx = { on_break = { rang = "flag" } }\n',
        ["columns.x: on_break", "'rang'", "Did you mean 'range'"],
    ),
    "an unknown severity": (
        '[model.a]\ntarget = "y"\n[model.a.contract.columns]\nx = { on_break = "drop" }\n',
        ["drop"],
    ),
    "a range the wrong way round": (
        '[model.a]\ntarget = "y"\n[model.a.contract.columns]\nx = { low = 2, high = 1 }\n',
        ["No number lies between 2 and 1"],
    ),
    "an unknown key of a rule": (
        '[model.a]\ntarget = "y"\n[[model.a.contract.rules]]\nname = "r"\ncheck = "x > 1"\non_brake = "flag"\n',
        ["rules[0]", "'on_brake'", "Did you mean 'on_break'"],
    ),
    "a rule that is code": (
        '[model.a]\ntarget = "y"\n[[model.a.contract.rules]]\nname = "r"\ncheck = "open(x)"\n',
        ["model.a.contract.rules: 'r'", "open(...) is no function"],
    ),
    "two rules of one name": (
        '[model.a]\ntarget = "y"\n' + '[[model.a.contract.rules]]\nname = "r"\ncheck = "x > 1"\n' * 2,
        ["two rules called 'r'"],
    ),
    "an unknown cause of a retraining": (
        '[model.a]\ntarget = "y"\n[model.a.retrain]\nwhen = ["ages > 45d"]\n',
        ["model.a: retrain.when names 'ages > 45d'", "Did you mean 'age > 45d'"],
    ),
    "an unknown window": (
        '[model.a]\ntarget = "y"\n[model.a.retrain]\nwindow = ["since the break"]\n',
        ["model.a: retrain.window names 'since the break'", "Did you mean 'since break'"],
    ),
    "a training that is neither a function nor a command": (
        '[model.a]\ntarget = "y"\n[model.a.retrain]\nrun = "train.py"\n',
        ["model.a.retrain.run is 'train.py'", "module:function"],
    ),
    "no retraining at a time": ("[retrain]\nat_once = 0\n", ["retrain.at_once is 0"]),
    "a channel that is none": (
        '[alerts]\nchannels = ["alerts.jsonl"]\n',
        ["alerts.channels names 'alerts.jsonl'", "file:alerts.jsonl"],
    ),
    "no TOML": ("[model.a\n", ["not TOML"]),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_in_a_sentence_that_names_it(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / config.FILE
    file.write_text(text)
    with pytest.raises(SpecError) as refused:
        config.read(file)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_every_key_but_the_target_has_a_default(tmp_path: Path) -> None:
    file = tmp_path / config.FILE
    file.write_text('[model.a]\ntarget = "y"\n')
    assert config.read(file).model["a"].judged_by == "log_loss"


def test_columns_and_rules_are_read(tmp_path: Path) -> None:
    file = tmp_path / config.FILE
    file.write_text(
        '[model.a]\ntarget = "y"\n[model.a.contract.columns]\nx = { low = 1, on_break = { range = "flag" } }\n'
        'z = { levels = ["a"], on_break = "fall_back", nullable = true, known_after = false }\n'
        '[[model.a.contract.rules]]\nname = "r"\ncheck = "x > 1"\non_break = "flag"\n'
    )
    contract = config.read(file).model["a"].contract
    assert contract.columns["x"].on_break == Severity(range="flag")
    assert contract.columns["z"].on_break == "fall_back"
    assert contract.rules == (Rule(name="r", check="x > 1", on_break="flag"),)


def test_pyproject_may_hold_it_instead(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.lockgate.model.a]\ntarget = "y"\n')
    assert config.read(config.find(tmp_path)).model["a"].target == "y"


def test_a_folder_without_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="lockgate init"):
        config.find(tmp_path)


def test_the_demos_own_file_is_read() -> None:
    from lockgate.cli.demo.story import PROJECT

    assert config.read(PROJECT / config.FILE).model["late_arrival"].unit == "flight_id"


def test_a_log_is_kept_for_two_days_longer_than_the_horizon():
    log = LogSpec(retention="32d")
    assert ModelSpec(target="y", outcomes=OutcomesSpec(horizon="30d"), log=log).log == log
    with pytest.raises(SpecError, match="forgets days that are not closed"):
        ModelSpec(target="y", outcomes=OutcomesSpec(horizon="31d"), log=log)
