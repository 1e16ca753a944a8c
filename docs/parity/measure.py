"""Which kinds of model the compiled path carries, and where it agrees: the table in docs/parity.md.

Run it:  python docs/parity/measure.py        (needs lockgate[dev]; some two minutes on one core)
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from cases import Case, cases

from lockgate.runtime.benchmark import benchmark
from lockgate.runtime.compile.checked import decided
from lockgate.runtime.compile.engine import Compiled
from lockgate.runtime.compile.parity import parity

PAGE = Path(__file__).parent.parent / "parity.md"
BEGINS, ENDS = "<!-- table -->", "<!-- end of table -->"
HEAD = (
    "| kind | decision | rows tried | over tolerance | worst | flips | fresh rows: worst | one row, native | one row, "
    "compiled | native from |\n|---|---|---|---|---|---|---|---|---|---|"
)


def row(kind: str, case: Case) -> tuple[str, float | None, str | None]:
    """One line of the table, how many times faster one row is compiled, and the sentence that says why native was kept."""
    found, graph = decided(case.loaded, case.native, case.inputs, case.held_out, task=case.task)
    compiled = Compiled(graph) if graph is not None else None
    timed = benchmark(case.native, compiled, case.held_out)
    one = timed.pace[0]
    cells = [kind]
    if found.rows:
        cells += ["compiled" if compiled else "native", f"{found.rows:,}", f"{found.over_tolerance:.2%}"]
        cells += [f"{found.worst:.1e}", str(found.flips)]
    else:
        cells += ["native", "not converted", "", "", ""]
    cells += [f"{parity(case.native, compiled, case.fresh, task=case.task).worst:.1e}" if compiled else ""]
    cells += [f"{one.native_us:,.0f} µs", f"{one.onnx_us:,.0f} µs" if one.onnx_us is not None else ""]
    cells += [f"{timed.native_from_rows:,} rows" if timed.native_from_rows else ""]
    line = "| " + " | ".join(cells) + " |"
    return line, one.native_us / one.onnx_us if one.onnx_us else None, None if compiled else found.reason


def main(known: dict[str, Callable[[], Case]], page: Path) -> None:
    lines: list[str] = []
    faster: list[float] = []
    reasons: list[str] = []
    for kind, make in known.items():
        line, ratio, reason = row(kind, make())
        print(line, flush=True)
        lines.append(line)
        faster += [] if ratio is None else [ratio]
        reasons += [] if reason is None else [f"- {kind}: {reason}"]
    said = f"One row is answered {median(faster):.0f} times faster compiled, in the median of the {len(faster)} kinds above."
    body = "\n".join([HEAD, *lines, "", said, "", "Kept native, with the sentence that says why:", "", *reasons])
    before, _, rest = page.read_text().partition(BEGINS)
    after = rest.partition(ENDS)[2]
    page.write_text(f"{before}{BEGINS}\n{body}\n{ENDS}{after}")


def quiet(run: Callable[..., Any], *given: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(*given)


if __name__ == "__main__":
    quiet(main, cases(), PAGE)
