"""Verdicts in a notebook: the sentence, and the evidence under it.

`import lockgate` in a notebook sees to it; elsewhere: %load_ext lockgate.report.notebook
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lockgate.errors import SpecError
from lockgate.records import Verdict
from lockgate.report.drawing import svg
from lockgate.report.words import subtitle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    class Formatter(Protocol):
        def for_type(self, typ: type[Verdict], func: Callable[[Verdict], str]) -> Any: ...

    class DisplayFormatter(Protocol):
        @property
        def formatters(self) -> Mapping[str, Formatter]: ...

    class Shell(Protocol):
        """What is used of an IPython shell."""

        @property
        def display_formatter(self) -> DisplayFormatter: ...


def register(ip: Shell) -> None:
    """Have the shell show each verdict by `html`. ip: what `get_ipython()` gives; asked again it changes nothing."""
    ip.display_formatter.formatters["text/html"].for_type(Verdict, html)


def load_ipython_extension(ipython: Shell) -> None:
    """What `%load_ext` calls."""
    register(ipython)


def html(verdict: Verdict) -> str:
    """The sentence and a picture of the evidence, as a piece of HTML; where nothing can be drawn, why not.

    The picture needs no script and no network, so that a notebook that is only read shows it too.
    """
    sentence = f"<p><strong>{escape(verdict.sentence)}</strong><br>{escape(subtitle(verdict))}</p>"
    try:
        return f"<div>{sentence}{svg(verdict, has_title=False)}</div>"
    except SpecError as error:
        return f"<div>{sentence}<p><em>{escape(str(error))}</em></p></div>"
