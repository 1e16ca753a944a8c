"""Connections taken from a socket that others listen on too, on a real event loop."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.server import shares
from lockgate.server.accepting import WAIT_S, Accepting
from lockgate.server.shares import Shares


class Counting(asyncio.Protocol):
    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).taken += 1
        self._held = transport


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        Counting.taken = 0
        yield made


def opened(listening: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(listening.getsockname()) for _ in range(count)]


async def until_taken(count: int) -> float:
    began = time.monotonic()
    while Counting.taken < count:
        assert time.monotonic() - began < 10, Counting.taken
        await asyncio.sleep(0.001)
    return time.monotonic() - began


def test_all_that_wait_are_taken_and_none_after_the_close(listening: socket.socket) -> None:
    async def run() -> None:
        door = Accepting(listening, Counting, Shares())
        callers = opened(listening, 50)
        await until_taken(50)
        await door.close()
        callers += opened(listening, 1)
        await asyncio.sleep(0.05)
        assert Counting.taken == 50
        for caller in callers:
            caller.close()

    asyncio.run(run())


def test_whoever_is_ahead_leaves_the_next_to_others_but_not_for_long(listening: socket.socket, tmp_path: Path) -> None:
    shares.lay_out(tmp_path, 2)
    own, other = Shares.of(tmp_path, 0), Shares.of(tmp_path, 1)

    async def run() -> None:
        door = Accepting(listening, Counting, own)
        other.tell(0)  # takes connections, and is too busy to
        own.tell(10)
        callers = opened(listening, 20)
        assert await until_taken(20) >= 19 * WAIT_S
        other.tell(50)
        assert other.is_ahead
        await door.close()
        own.tell(10)  # of one that has ended while this one leaves
        assert not other.is_ahead
        for caller in callers:
            caller.close()

    asyncio.run(run())


def test_with_no_file_left_to_open_callers_wait_until_there_is_one(listening: socket.socket) -> None:
    async def run() -> None:
        callers = opened(listening, 1)
        lowest_free = os.open("/", os.O_RDONLY)
        os.close(lowest_free)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            door = Accepting(listening, Counting, Shares())
            await asyncio.sleep(0.05)
            assert Counting.taken == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until_taken(1)
        await door.close()
        callers[0].close()

    asyncio.run(run())
