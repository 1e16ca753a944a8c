"""The user's own rule as a link of the fallback chain: `module:function`, called with the columns, answering each row."""

from __future__ import annotations

import numpy as np

from lockgate.errors import INTERRUPTIONS, PredictError
from lockgate.features.columns import Columns, length
from lockgate.features.pipeline import resolve
from lockgate.records.spec import Task
from lockgate.runtime.predictor import Answer, valid


class UserRule:
    """Answers in threads that may be given up, as all code does that is not ours. Its name stands for a version's id.

    Raises SpecError when it is made, where there is no such function.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.version = name
        self._task: Task = task
        self._function = resolve(name)

    def predict(self, columns: Columns) -> Answer:
        """One number for each row, or PredictError: raised, shape, non_finite, out_of_range."""
        rows = length(columns)
        try:
            own = {name: column.copy() for name, column in columns.items()}  # those behind it get what it got
            values = np.asarray(self._function(own), dtype=np.float64)
        except INTERRUPTIONS:
            raise
        except BaseException as error:
            raise PredictError(f"{self.version} raised {error!r}.", reason="raised") from error
        return Answer(valid(values, rows, self._task, self.version), [()] * rows)
