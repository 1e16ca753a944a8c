"""Lines of log on stderr: JSON for machines, plain text for a terminal, each with its request's id."""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TextIO

import msgspec

from lockgate.errors import SpecError, unknown
from lockgate.telemetry import request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "LOCKGATE_LOG"
LEVEL = "LOCKGATE_LOG_LEVEL"
_FORMS = ("json", "text")
_LEVELS = ("debug", "info", "warning", "error")
# What every record carries; anything else came in as `extra=` and is written out under its own name.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def set_up(stream: TextIO | None = None, environment: Mapping[str, str] | None = None) -> None:
    """All of this process's logging through one handler, uvicorn's, warnings and uncaught errors too.

    LOCKGATE_LOG: "json" or "text"; where it says nothing, text on a terminal and JSON elsewhere. LOCKGATE_LOG_LEVEL:
    "debug", "info" (where it says nothing), "warning" or "error". Raises SpecError for another word.
    """
    out: TextIO = sys.stderr if stream is None else stream
    environment = os.environ if environment is None else environment
    usual: Literal["text", "json"] = "text" if out.isatty() else "json"
    form, level = _word(environment, FORM, _FORMS, usual), _word(environment, LEVEL, _LEVELS, "info")
    handler = logging.StreamHandler(out)
    handler.setFormatter(Json() if form == "json" else Text())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # uvicorn tells of every start and stop of every worker; ours say what matters of it.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLogger().level))
    logging.captureWarnings(True)
    sys.excepthook = _say_uncaught
    threading.excepthook = _say_uncaught_in_thread


class Json(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, pid; request_id and exception where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if request := request_id.current.get():
            told["request_id"] = request
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            told["stack"] = record.stack_info
        more = {name: value for name, value in vars(record).items() if name not in _USUAL and name not in told}
        return msgspec.json.encode(told | more, enc_hook=repr).decode()


class Text(logging.Formatter):
    """The same for a person."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        request = request_id.current.get()
        return super().formatMessage(record) + (f" [{request}]" if request else "")


def _word(environment: Mapping[str, str], name: str, words: tuple[str, ...], usual: str) -> str:
    said = environment.get(name, "").strip().lower() or usual
    if said not in words:
        raise SpecError(unknown(f"{name} such as", said, words), cure=f"Set {name} to one of {', '.join(words)}.")
    return said


def _say_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("lockgate").critical("The process ends: %s", error, exc_info=(kind, error, trace))


def _say_uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
        name = told.thread.name if told.thread else "?"
        given = (told.exc_type, told.exc_value, told.exc_traceback)
        logging.getLogger("lockgate").error("The thread %s ended: %s", name, told.exc_value, exc_info=given)
