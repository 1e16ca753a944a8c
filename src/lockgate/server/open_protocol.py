"""What the Open Inference Protocol v2 means here, whichever way it comes: outputs, versions, metadata.

The faces, `open_inference` over HTTP and `open_grpc`, translate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from lockgate.errors import Conflict, ContractError, NotFound, unknown
from lockgate.records import Prediction, Routing
from lockgate.server import tensors
from lockgate.server.tensors import Tensor
from lockgate.workspace.dataplane import DataPlane, Served

NAME = "lockgate"
EXTENSIONS = ("binary_tensor_data",)


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """Of a request. unit: the rows', as on /predict. Another parameter is refused: what is not heeded is not taken."""

    unit: str | None = None


class Output(NamedTuple):
    datatype: str
    of: Callable[[Prediction], Any]


def _failure(prediction: Prediction) -> str:
    return prediction.failure or ""


def _flags(prediction: Prediction) -> str:
    return "; ".join(prediction.flags)


# Who answered and why belongs to an answer: a client that asks for nothing gets all of them.
OUTPUTS = {
    "value": Output("FP64", attrgetter("value")),
    **{name: Output("BYTES", attrgetter(name)) for name in ("id", "version", "arm", "served_by")},
    "failure": Output("BYTES", _failure),
    "flags": Output("BYTES", _flags),
}


class Described(NamedTuple):
    """A model's tensors, -1 for any number of rows."""

    name: str
    versions: Sequence[str]
    inputs: list[Tensor]
    outputs: list[Tensor]


def found(plane: DataPlane, model: str, version: str | None) -> Served:
    """The model of that name. Raises NotFound where it, or its version, is not served."""
    served = plane.model(model)
    if version is not None and version not in served.routing.versions:
        raise NotFound(unknown("version", version, served.routing.versions))
    return served


def is_ready(served: Served, version: str | None) -> bool:
    """Is the version loaded, the champion where none is named?"""
    return (version or served.routing.champion) in served.caller.served.predictors


def described(served: Served) -> Described:
    inputs = [Tensor(column.name, tensors.datatype(column), [-1]) for column in served.contract.sent]
    outputs = [Tensor(name, output.datatype, [-1]) for name, output in OUTPUTS.items()]
    return Described(served.routing.model, served.routing.versions, inputs, outputs)


def refuse_choice(routing: Routing, version: str | None) -> None:
    """A version may be named where it gets every call anyway. Raises Conflict otherwise: the router chooses, by chance,
    and a caller's own choice would spoil the comparison.
    """
    all_to = {0.0: routing.champion, 1.0: routing.challenger}.get(routing.share if routing.challenger else 0.0)
    if version not in (None, all_to):
        raise Conflict(
            f"Version {version} does not answer all calls of {routing.model}, and the router alone chooses.",
            cure="Leave the version out of the request; the answer says which one it was.",
        )


def refuse_unknown(outputs: Iterable[str]) -> None:
    """Raises ContractError for an output that there is not."""
    for name in outputs:
        if name not in OUTPUTS:
            raise ContractError(unknown("output", name, OUTPUTS), column=name)


def filled(name: str, predictions: Sequence[Prediction]) -> tuple[Tensor, list[Any]]:
    """One output and its values, a row each."""
    output = OUTPUTS[name]
    values = [output.of(prediction) for prediction in predictions]
    return Tensor(name, output.datatype, [len(values)]), values
