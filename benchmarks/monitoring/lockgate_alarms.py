"""Quiet windows under Lockgate, each looked at alone and in sequence: how many are flagged?

python benchmarks/monitoring/lockgate_alarms.py
"""

from __future__ import annotations

from quiet_windows import Columns, measure

import lockgate as lg


def alone(reference: Columns, _rows: int):
    """`lockgate.drift` at its defaults: alpha .05 over all columns of one window."""
    before = lg.profile(reference)
    return lambda window: len(lg.drift(before, lg.profile(window, against=before)).listed)


def in_sequence(reference: Columns, _rows: int):
    """`lockgate.DriftJudge`, hourly windows, four false alarms a year."""
    before = lg.profile(reference)
    judge = lg.DriftJudge(before, false_alarms_per_year=4, windows_per_year=24 * 365)

    def flags(window: Columns) -> int:
        judge.observe(lg.profile(window, against=before))
        return int(judge.is_alarmed)

    return flags


if __name__ == "__main__":
    measure("Lockgate, `drift` of each window by itself", alone)
    measure("Lockgate, `DriftJudge` of hourly windows", in_sequence)
