"""What a stretch of calls told, as one page: of a model in a workspace, or of a table of predictions from any server."""

from lockgate.report.monitored.of_model import of_model
from lockgate.report.monitored.of_table import of_table
from lockgate.report.monitored.page import page
from lockgate.report.monitored.told import Told

__all__ = ["Told", "of_model", "of_table", "page"]
