"""A type checker sees the function that was guarded, and nothing less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

USES = """
from typing import assert_type

import lockgate as lg
from lockgate.serve.guarded import Reply

@lg.guard("late", fallback=[0.23], task="binary")
def predict(row: dict[str, float], *, fast: bool = False) -> float:
    return row["p"]

@lg.guard("chat", fallback=["Sorry."], task="any")
async def chat(text: str) -> str:
    return text

async def use() -> None:
    assert_type(predict({"p": 0.5}, fast=True), float)
    assert_type(predict.answer({"p": 0.5}), Reply[float])
    assert_type(predict.answer({"p": 0.5}).value, float)
    assert_type(await chat("x"), str)
    assert_type((await chat.answer("x")).value, str)
    assert_type(predict.outcome("r1", 1.0), bool)
"""
WRONG = {
    'predict("text")': "arg-type",
    "predict({}, quick=True)": "call-arg",
    "waiting = chat(7)": "arg-type",
    'lg.guard("m", fallback=[0], task="bin")': "arg-type",
}


def checked(text: str, folder: Path) -> str:
    file = folder / "use.py"
    file.write_text(text)
    argv = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_right_uses_have_the_types_of_the_function_and_wrong_ones_are_found(tmp_path: Path) -> None:
    first = USES.count("\n") + 1
    found = [line for line in checked(USES + "\n".join(WRONG), tmp_path).splitlines() if ": error:" in line]
    assert [f"use.py:{first + place}: error" in line for place, line in enumerate(found)] == [True] * len(WRONG), found
    assert [f"[{code}]" in line for line, code in zip(found, WRONG.values(), strict=True)] == [True] * len(WRONG), found
