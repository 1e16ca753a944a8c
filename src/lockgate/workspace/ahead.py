"""Work done ahead of whoever takes it: an iterator turned by a thread of its own, a few items before they are asked for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.1


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def ahead(make: Callable[[], Iterable[T]], *, depth: int = 1) -> Generator[Iterator[T]]:
    """The items of an iterable that is made and turned in a thread; what it raises is raised where they are taken.

    depth: how many items may lie ready. At the end the thread is told to stop, and waited for.
    """
    ready: queue.Queue[T | _End] = queue.Queue(depth)
    is_over = threading.Event()

    def put(item: T | _End) -> bool:
        while not is_over.is_set():
            try:
                ready.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def turn() -> None:
        end = _End(None)
        try:
            for item in make():
                if not put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            end = _End(error)
        put(end)

    def items() -> Iterator[T]:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    thread = threading.Thread(target=turn, name="ahead", daemon=True)
    thread.start()
    try:
        yield items()
    finally:
        is_over.set()
        thread.join()
