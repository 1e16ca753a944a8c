"""Contracts, feature pipelines and profiles: one definition for a table and for a row.

A user's `features` function returns a `Pipeline` of steps made here.
"""

from lockgate.features.pipeline import Pipeline, custom, levels, numeric, raw

__all__ = ["Pipeline", "custom", "levels", "numeric", "raw"]
