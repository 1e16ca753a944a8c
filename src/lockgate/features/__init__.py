"""Contracts, feature pipelines and profiles: one definition for a table and for a row.

A user's `features` function returns a `Pipeline` of steps made here.
"""

from lockgate.features.fitted_step import filled, frequency, scaled
from lockgate.features.pipeline import Pipeline, custom, custom_pandas, custom_polars, levels, numeric, raw
from lockgate.features.row_step import row

__all__ = [
    "Pipeline",
    "custom",
    "custom_pandas",
    "custom_polars",
    "filled",
    "frequency",
    "levels",
    "numeric",
    "raw",
    "row",
    "scaled",
]
