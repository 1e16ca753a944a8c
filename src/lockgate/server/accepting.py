"""How a worker takes connections from the socket that all workers listen on: one at a time, and after those who have fewer.

An event loop by itself takes all that wait, so that of a client's sixteen connections, opened at once and kept for hours, one
worker may get every one and the others none.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from lockgate.server.shares import Shares

# Who holds more than another leaves the next one to it for so long, and takes it then: the other may be busy, or gone.
WAIT_S = 2e-3
# Nothing can be taken until somebody closes something: tried again so much later, for the socket stays readable meanwhile.
REST_S = 0.5
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = logging.getLogger("lockgate.server")


class Accepting:
    """Until `close`. make: the protocol of a new connection."""

    def __init__(self, listening: socket.socket, make: Callable[[], asyncio.Protocol], shares: Shares) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._make, self._shares = listening, make, shares
        self._begun: asyncio.Task[object] | None = None
        self._is_closed = False
        listening.setblocking(False)
        shares.tell(0)
        self._look()

    async def close(self) -> None:
        """No more are taken; those that were have their protocol when this returns."""
        self._is_closed = True
        self._shares.close()
        self._loop.remove_reader(self._listening)
        if self._begun is not None:
            await asyncio.wait((self._begun,))

    def _look(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listening, self._take)

    def _take(self) -> None:
        try:
            taken, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was first, or the caller has gone
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            _log.warning("No connection can be taken for now: %s", error)
            self._pause(REST_S)
            return
        taken.setblocking(False)
        self._loop.remove_reader(self._listening)  # until this one has begun
        self._begun = self._loop.create_task(self._loop.connect_accepted_socket(self._make, taken))
        self._begun.add_done_callback(self._has_begun)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._loop.call_later(seconds, self._look)

    def _has_begun(self, task: asyncio.Task[object]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OSError):
            _log.info("A connection was gone before it began: %s", error)
        elif error is not None:
            _log.error("A connection could not begin.", exc_info=error)
        if self._shares.is_ahead:
            self._pause(WAIT_S)
        else:
            self._look()
