"""A report as people read it: lines for a terminal, a page, a piece of a notebook."""

from lockgate.report.checked.markup import html, page
from lockgate.report.checked.terminal import text

__all__ = ["html", "page", "text"]
