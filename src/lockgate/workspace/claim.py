"""Who may retrain: one process a model, and so many over the workspace; by leases that are renewed while it lives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager

from lockgate.errors import Conflict, LockgateError
from lockgate.records import Retraining, RetrainingState
from lockgate.workspace.wire import Wiring

CLAIM_S, RENEW_S = 30.0, 5.0
_log = logging.getLogger("lockgate.retraining")


@contextmanager
def claimed(wiring: Wiring, model: str, holder: str) -> Generator[None]:
    """Hold the model's lease, and one of the workspace's few. Raises Conflict where another process has them."""
    names = _taken(wiring, model, holder)
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(wiring, names, holder, stop), name="claim", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        stop.set()
        renewing.join(timeout=RENEW_S)
        for name in names:
            wiring.lease.release(name, holder)


def dead(wiring: Wiring) -> list[Retraining]:
    """Those that are said to be running and that no process holds: it died."""
    running = [r for r in wiring.records.all(Retraining) if r.state is RetrainingState.RUNNING]
    return [one for one in running if is_free(wiring, of_model(one.model))]


def of_model(model: str) -> str:
    return f"retraining of {model}"


def _taken(wiring: Wiring, model: str, holder: str) -> tuple[str, str]:
    lease, now_s = wiring.lease, wiring.clock()
    own = of_model(model)
    if not lease.acquire(own, holder, now_s=now_s, for_s=CLAIM_S):
        raise Conflict(f"{model} is being retrained by another process.", cure="See: lockgate status")
    most = wiring.spec.retrain.at_once
    for slot in range(most):
        name = f"retraining {slot}"
        if lease.acquire(name, holder, now_s=now_s, for_s=CLAIM_S):
            return own, name
    lease.release(own, holder)
    raise Conflict(
        f"{most} retraining{'s are' if most > 1 else ' is'} under way, and no more may be at one time.",
        cure="Wait, or raise at_once under [retrain] in lockgate.toml.",
    )


def is_free(wiring: Wiring, name: str) -> bool:
    """Taken for a moment and given back: a lease cannot be looked at otherwise."""
    if not wiring.lease.acquire(name, "a look", now_s=wiring.clock(), for_s=CLAIM_S):
        return False
    wiring.lease.release(name, "a look")
    return True


def _renew(wiring: Wiring, names: tuple[str, str], holder: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_S):
        try:
            for name in names:
                wiring.lease.acquire(name, holder, now_s=wiring.clock(), for_s=CLAIM_S)
        except LockgateError as error:
            _log.warning("The claim of a retraining could not be renewed: %s", error)
