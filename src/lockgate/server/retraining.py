"""Retrainings begun by themselves: each in a process of its own, for training takes minutes and judging must not wait.

Decided from the records, written down, and only then begun; whoever dies in between leaves it written down. Children end
with this process, and what they had begun is taken up once more.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.decide.retraining import ATTEMPTS
from lockgate.errors import LockgateError
from lockgate.records import Block, Retraining, RetrainingState, Routing
from lockgate.server.statuses import refusal_of
from lockgate.workspace import claim, retrainings, starting
from lockgate.workspace.workspace import Workspace

EVERY_S, LOOK_EVERY_S = 2.0, 30.0
LEASE, LEASE_S = "retrainer", 15.0
FOLDER = "retraining"
_log = logging.getLogger("lockgate.retraining")


def push(workspace: Workspace) -> Route:
    """`POST /retrain/{model}`: 202 with the retraining, which the loop begins; 409 in words where something holds it."""

    def asked(request: Request) -> Response:
        try:
            made = workspace.push(request.path_params["model"], by="a push")
        except LockgateError as error:
            return refusal_of(error)
        return JSONResponse({"id": made.id, "model": made.model, "sentence": made.sentence}, status_code=202)

    return Route("/retrain/{model}", asked, methods=["POST"])


def keep_on(project: Path, stop: threading.Event) -> None:
    """Until `stop`: begin what is due, take up what died. The workspace is opened anew, for it is not for two threads."""
    workspace = Workspace.open(project)
    trainer = Trainer(workspace)
    try:
        while not stop.wait(EVERY_S):
            try:
                trainer.turn()
            except LockgateError as error:
                _log.error("No retraining could be looked after: %s", error)
            except Exception:  # noqa: BLE001 - a bug of ours must not end the others
                _log.exception("No retraining could be looked after.")
    finally:
        trainer.close()
        workspace.close()


class Trainer:
    """Turned every few seconds; one acts at a time, by lease."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._newest, self._look_at = (-1, -1), 0.0

    def turn(self) -> list[Retraining]:
        """Those begun now."""
        wiring = self._workspace.wiring
        if not wiring.lease.acquire(LEASE, self._holder, now_s=wiring.clock(), for_s=LEASE_S):
            return []
        self._reap()
        served = [r.model for r in wiring.records.all(Routing) if r.model in wiring.spec.model]
        event_s = {model: self._workspace.event_s(model) for model in served}
        retrainings.take_up(wiring, event_s=event_s)
        for model in served if self._has_news(served) else ():
            starting.again(self._workspace, model)
            found = retrainings.due(wiring, model, event_s=event_s[model])
            if found.is_due:
                retrainings.ask(wiring, model, found, by="lockgate", event_s=event_s[model])
        return self._begin_asked()

    def wait(self) -> None:
        """Until every one that was begun has ended."""
        for child in self._children.values():
            child.wait()

    def close(self) -> None:
        """End what is under way; it stays written down, and is taken up by whoever comes next."""
        for child in self._children.values():
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self._workspace.wiring.lease.release(LEASE, self._holder)

    def _has_news(self, served: Sequence[str]) -> bool:
        """To look costs some milliseconds a model, so it is done when the ledger has grown, days have closed, or time has
        passed.
        """
        records = self._workspace.wiring.records
        newest = (records.newest(), sum(records.count(Block, model) for model in served))
        is_due = newest > self._newest or time.monotonic() >= self._look_at
        self._newest = newest
        if is_due:
            self._look_at = time.monotonic() + LOOK_EVERY_S
        return is_due

    def _reap(self) -> None:
        """One that ended before it began is tried once more, then given up."""
        wiring = self._workspace.wiring
        for name, child in list(self._children.items()):
            if child.poll() is None:
                continue
            del self._children[name]
            one = wiring.records.get(Retraining, name)
            if one is None or one.state is not RetrainingState.ASKED:
                continue
            if one.attempt < ATTEMPTS:
                wiring.records.write(msgspec.structs.replace(one, attempt=one.attempt + 1))
                continue
            why = f"its process ended with exit code {child.returncode} before it began; see {self._place(one)}"
            sentence = f"The retraining {one.id} of {one.model} came to nothing: {why}"
            following = f"lockgate retrain {one.model} --now"
            event_s = self._workspace.event_s(one.model)
            retrainings.end(wiring, one, RetrainingState.FAILED, sentence, event_s=event_s, following=following)

    def _place(self, one: Retraining) -> Path:
        return self._workspace.wiring.home / FOLDER / f"{one.id}.log"

    def _begin_asked(self) -> list[Retraining]:
        wiring, records = self._workspace.wiring, self._workspace.wiring.records
        known = [one for one in records.all(Retraining) if one.is_under_way]
        room = wiring.spec.retrain.at_once - sum(one.state is RetrainingState.RUNNING for one in known)
        room -= sum(name in self._children for name in (one.id for one in known if one.state is RetrainingState.ASKED))
        waiting = [one for one in known if one.state is RetrainingState.ASKED and one.id not in self._children]
        begun: list[Retraining] = []
        for one in waiting[: max(0, room)]:
            if claim.is_free(wiring, claim.of_model(one.model)):
                self._children[one.id] = self._begin(one)
                begun.append(one)
        return begun

    def _begin(self, one: Retraining) -> subprocess.Popen[bytes]:
        wiring = self._workspace.wiring
        place = self._place(one)
        place.parent.mkdir(parents=True, exist_ok=True)
        _log.info("Retraining %s: %s It says how it goes in %s.", one.model, one.sentence, place)
        command = [sys.executable, "-W", "ignore", "-m", "lockgate", "retrain", one.model, "--begun", one.id]
        command += ["--under", str(os.getpid()), "--directory", str(wiring.project)]
        with place.open("ab") as said:
            return subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True)
