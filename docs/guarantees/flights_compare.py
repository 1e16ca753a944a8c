"""`lockgate.compare` on the real flights: the held-out fortnight, and the year block by block under each memory.

Run it:  python docs/guarantees/flights_compare.py      (about a minute and a half on one core; needs lockgate[demo])

METHODS' figures to hold it against: live features over the schedule alone, found after 11 days (short), 27 (new) and 8
(independent); seed against seed never; the weather model not called worse in April.
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from flight_days import END, HISTORY_START, START, answers, table_of_calls

import lockgate as lg

PAIRS = {"live over schedule": ("schedule", "live"), "weather over live": ("live", "weather")}
PAIRS |= {"seed against seed": ("seed 1", "seed 2"), "a day stale": ("live", "day old"), "zeros": ("live", "zeros")}
FORTNIGHT = "2013-03-18"
OUT = Path(__file__).resolve().parent / "flights.json"
MEMORIES = ("short", "new", "independent", "long")


def scored(table: pl.DataFrame, trained_to: str, start: str, end: str) -> pl.DataFrame:
    """The calls of [start, end) with every model's chance, by models that saw what had landed before `trained_to`."""
    landed = pl.col("landed_at") < pl.lit(trained_to).str.to_datetime().dt.replace_time_zone("UTC")
    known = pl.col("late").is_not_null()
    judged = table.filter(known & (pl.col("day") >= start) & (pl.col("day") < end))
    found = answers(table.filter(known & landed), judged)
    chances = {name: values.clip(1e-6, 1 - 1e-6) for name, values in found.items()}
    day = pl.col("day").str.to_datetime()
    return judged.select("day", pl.col("late").cast(pl.Int64), asked_at=day).with_columns(**chances)


def main() -> None:
    table = table_of_calls()
    fortnight = scored(table, FORTNIGHT, FORTNIGHT, START)
    past = scored(table, HISTORY_START, HISTORY_START, START)
    year = scored(table, START, START, END)
    april = year.filter(pl.col("day") < "2013-05-01")
    found: list[dict[str, str]] = []
    for pair, (champion, challenger) in PAIRS.items():
        row = {"pair": pair}
        for name, rows in (("18-31 March, looked at once", fortnight), ("April, looked at once", april)):
            verdict = lg.compare(champion, challenger, rows, target="late", metric="log_loss", by="day")
            row[name] = verdict.ruling.value
            print(f"{pair}, {name}: {verdict.ruling.upper()}. {verdict.sentence}")
        for memory in MEMORIES:
            row[memory] = judged(champion, challenger, year, past, memory)
            print(f"{pair}, from April, memory {memory}: {row[memory]}")
        found.append(row)
    OUT.write_text(json.dumps(found, indent=1) + "\n")


def judged(champion: str, challenger: str, year: pl.DataFrame, past: pl.DataFrame, memory: str) -> str:
    """The ruling, and after how many days of the year from 1 April."""
    verdict = lg.compare(
        champion,
        challenger,
        year,
        target="late",
        metric="brier",
        by="day",
        memory=memory,  # type: ignore[arg-type]
        history=past if memory in ("short", "long") else None,
    )
    words = {"pass": "better", "fail": "worse"}
    ruling = words.get(verdict.ruling.value)
    return f"{ruling} after {verdict.evidence.blocks}" if ruling else f"undecided after {verdict.evidence.blocks}"


if __name__ == "__main__":
    main()
