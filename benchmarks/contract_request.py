"""One request of 20 columns decoded and checked, beside a pydantic v2 model with the same constraints.

    python benchmarks/contract_request.py

10 numbers with a range, 5 texts with levels, 3 booleans, 2 times, one rule between columns. Limit: at least 3 times as fast
as pydantic. Each figure is the best of rounds in which all take turns; machines differ, so the ratios are what to read.
The last two lines go on from there: a request that is flagged and therefore read twice, and the rows made into the arrays
that a predictor takes, which pydantic's objects still need as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model, model_validator

from lockgate.features.request import RequestType
from lockgate.records import Column, Contract, Rule

ROUNDS, CALLS = 15, 2_000
LEVELS = tuple(f"L{number:02d}" for number in range(16))
NUMBERS = [f"n{number}" for number in range(10)]
TEXTS = [f"t{number}" for number in range(5)]
FLAGS = [f"b{number}" for number in range(3)]

CONTRACT = Contract(
    model="bench",
    columns=(
        *(Column(name=n, type="float", low=-5, high=5, range_origin="declared") for n in NUMBERS),
        *(Column(name=n, type="text", levels=LEVELS) for n in TEXTS),
        *(Column(name=n, type="bool") for n in FLAGS),
        Column(name="asked", type="time"),
        Column(name="arrives", type="time"),
        Column(name="y", type="bool", is_known_before=False),
    ),
    target="y",
    rules=(Rule(name="arrives after asking", check="arrives >= asked"),),
)


class _Ordered(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    asked: AwareDatetime
    arrives: AwareDatetime

    @model_validator(mode="after")
    def arrives_after_asking(self) -> Self:
        if self.arrives < self.asked:
            raise ValueError("arrives before it was asked")
        return self


def rival() -> type[BaseModel]:
    number = Annotated[float, Field(ge=-5, le=5, allow_inf_nan=False)]
    fields: dict[str, Any] = dict.fromkeys(NUMBERS, (number, ...))
    fields |= dict.fromkeys(TEXTS, (Literal[LEVELS], ...)) | dict.fromkeys(FLAGS, (bool, ...))
    row = create_model("Row", __base__=_Ordered, **fields)
    envelope: Any = create_model(
        "Request",
        __config__=ConfigDict(extra="forbid"),
        rows=(Annotated[list[row], Field(min_length=1)], ...),  # type: ignore[valid-type]
        unit=(str | None, None),
        id=(str | None, None),
    )
    return envelope


def body(**changes: object) -> bytes:
    rng = np.random.default_rng(3)
    row: dict[str, object] = {
        name: round(float(value), 6) for name, value in zip(NUMBERS, rng.normal(size=10), strict=True)
    }
    row |= {name: LEVELS[place] for place, name in enumerate(TEXTS)} | dict.fromkeys(FLAGS, True)
    row |= {"asked": "2026-01-01T10:00:00Z", "arrives": "2026-01-01T12:30:00Z"}
    return json.dumps({"rows": [row | changes], "unit": "u1", "id": "r1"}).encode()


def microseconds(work: Callable[[bytes], object], given: bytes) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        work(given)
    return 1e6 * (time.perf_counter() - began) / CALLS


def main() -> None:
    request, model = RequestType(CONTRACT), rival()
    whole, flagged = body(), body(t0="never seen")
    assert request.read(whole)[1]
    assert datetime.fromisoformat("2026-01-01T10:00:00Z") == model.model_validate_json(whole).rows[0].asked  # type: ignore[attr-defined]
    works: dict[str, tuple[Callable[[bytes], object], bytes]] = {
        "pydantic: decode and check": (model.model_validate_json, whole),
        "lockgate: decode and check": (request.read, whole),
        "lockgate: and into arrays": (request.decode, whole),
        "lockgate: flagged, arrays": (request.decode, flagged),
    }
    best = dict.fromkeys(works, np.inf)
    for _ in range(ROUNDS):
        for name, (work, given) in works.items():
            best[name] = min(best[name], microseconds(work, given))
    theirs = best["pydantic: decode and check"]
    print(f"{'one request of 20 columns':<30}{'time':>10}{'times as fast as pydantic':>28}")
    for name, took in best.items():
        print(f"{name:<30}{took:>7.2f} us{theirs / took:>28.2f}")


if __name__ == "__main__":
    main()
