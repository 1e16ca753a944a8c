"""Lines of log: JSON for machines, text for people, one form for all that a process says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SAY = """
import logging, sys, threading, warnings
from lockgate.telemetry import logs, request_id

logs.set_up()
log = logging.getLogger("lockgate.server")
log.info("begun", extra={"port": 8080, "what": {1, }})
request_id.current.set("r-1")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("A call failed: %s.", "late")
request_id.current.set("")
logging.getLogger("uvicorn.error").info("Started server process")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
log.debug("not to be seen")
warnings.warn("old way", DeprecationWarning)
thread = threading.Thread(target=lambda: [][0], name="refresh")
thread.start()
thread.join()
raise ValueError("the end")
"""


def said(program: str = SAY, **environment: str) -> list[str]:
    argv = [sys.executable, "-W", "default", "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PYTHONPATH": _path()} | environment)
    assert done.stdout == ""
    return done.stderr.splitlines()


def _path() -> str:
    return ":".join(entry for entry in sys.path if entry)


def test_every_line_is_an_object_whoever_wrote_it():
    lines = [json.loads(line) for line in said()]
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("info", "lockgate.server"),
        ("error", "lockgate.server"),
        ("warning", "uvicorn.error"),
        ("warning", "py.warnings"),
        ("error", "lockgate"),
        ("critical", "lockgate"),
    ]
    assert all(line["pid"] > 0 and line["time"].endswith("+00:00") and line["message"] for line in lines)
    begun, failed, *_, in_thread, last = lines
    assert (begun["port"], begun["what"]) == (8080, [1])
    assert (failed["message"], failed["request_id"]) == ("A call failed: late.", "r-1")
    assert "ZeroDivisionError" in failed["exception"]
    assert "request_id" not in begun
    assert "refresh" in in_thread["message"]
    assert "ValueError: the end" in last["exception"]


def test_text_is_for_people():
    lines = said(LOCKGATE_LOG="text")
    assert "INFO    lockgate.server: begun" in lines[0]
    assert lines[1].endswith("ERROR   lockgate.server: A call failed: late. [r-1]")
    assert lines[2].startswith("Traceback")


def test_the_level_is_as_asked():
    assert any("not to be seen" in line for line in said(LOCKGATE_LOG_LEVEL="debug"))
    assert len(said("import logging; from lockgate.telemetry import logs; logs.set_up(); logging.info(1)")) == 1
    program = "import logging; from lockgate.telemetry import logs; logs.set_up(); logging.info(1)"
    assert said(program, LOCKGATE_LOG_LEVEL="error") == []


@pytest.mark.parametrize(("name", "word"), [("LOCKGATE_LOG", "jsno"), ("LOCKGATE_LOG_LEVEL", "loud")])
def test_another_word_is_refused_with_those_that_there_are(name, word):
    last = said("from lockgate.telemetry import logs; logs.set_up()", **{name: word})[-1]
    assert f"There is no {name} such as '{word}'" in last
    assert f"Set {name} to one of" in last
