"""The types a column may have, of a table and of an event alike."""

from __future__ import annotations

from typing import Literal

ColumnType = Literal["int", "float", "bool", "text", "time"]
