"""A few threads for work that may hang: a thread cannot be killed, so it is given up and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, Literal, TypeVar

from lockgate.errors import PredictError

T = TypeVar("T")
IDLE_S = 10.0


class Job(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.state: Literal["queued", "running", "done"] = "queued"
        self.is_given_up = False
        self.finished = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None


class Pool:
    """At most `threads` daemon threads, started when needed, gone when idle."""

    def __init__(self, threads: int = 4) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job[object]] = SimpleQueue()
        self._alive = 0
        self._taken = 0  # jobs queued or running
        self._hanging = 0

    @property
    def hanging(self) -> int:
        """Threads still at work that was given up."""
        return self._hanging

    def run(self, work: Callable[[], T], deadline_s: float) -> T:
        """What `work` gives or raises; PredictError "late" after `deadline_s`, "busy" at once where every thread hangs."""
        job = self.begin(work)
        if not job.finished.wait(deadline_s) and self.give_up(job):
            raise PredictError(f"No answer within {deadline_s * 1000:.0f} ms.", reason="late")
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value] # done without an error: the result is set

    def begin(self, work: Callable[[], T]) -> Job[T]:
        """The work under way, for a caller that waits in its own way; PredictError "busy" as above, and where the system
        gives no thread.
        """
        job = Job(work)
        with self._lock:
            if self._hanging >= self._threads:
                raise PredictError(f"All {self._threads} threads still hang in earlier calls.", reason="busy")
            self._taken += 1
            self._jobs.put(job)  # type: ignore[arg-type] # the queue does not look at results
            if self._taken > self._alive and self._alive < self._threads:
                self._grow(job)  # type: ignore[arg-type]
        return job

    def _grow(self, job: Job[object]) -> None:
        """One thread more. Where there is none to be had, the job is given up: those alive may be busy for long. They leave
        it out then; with none alive it is the only one in the queue.
        """
        self._alive += 1
        try:
            threading.Thread(target=self._turn, daemon=True, name="lockgate-link").start()
        except BaseException as error:
            self._alive -= 1
            job.is_given_up = True
            if not self._alive:
                self._jobs.get_nowait()
                self._taken -= 1
            if not isinstance(error, RuntimeError | MemoryError):
                raise
            raise PredictError(f"No thread could be started: {error}.", reason="busy") from error

    def give_up(self, job: Job[T]) -> bool:
        """True where the job was not finished after all."""
        with self._lock:
            if job.state == "done":
                return False
            job.is_given_up = True
            self._hanging += job.state == "running"
            return True

    def _turn(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._alive -= 1
                        return
                continue
            if self._start(job):
                self._do(job)

    def _start(self, job: Job[object]) -> bool:
        with self._lock:
            if job.is_given_up:
                self._taken -= 1
                return False
            job.state = "running"
            return True

    def _do(self, job: Job[object]) -> None:
        try:
            job.result = job.work()
        except Exception as error:  # noqa: BLE001 - raised again where somebody waits
            job.error = error
        except BaseException as error:  # noqa: BLE001 - also a step that calls sys.exit: it ends the call, not the caller
            job.error = PredictError(f"It raised {error!r}.", reason="raised")
            job.error.__cause__ = error
        with self._lock:
            job.state = "done"
            self._taken -= 1
            self._hanging -= job.is_given_up
        job.finished.set()
