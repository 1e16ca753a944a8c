"""The child's side of a bounded child process: limits first, then the work, its answer or its error over one pipe.

A message is one byte (what it is), eight bytes (how long, little-endian), and its body. Everything printed goes to the
parent as progress. The child ends when its parent does.
"""

from __future__ import annotations

import math
import os
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import msgspec

from lockgate.errors import LockgateError

HEAD = struct.Struct("<BQ")
DONE, FAILED = 0, 1
Handle = Callable[[bytes], bytes]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error on its way to the parent. kind: the class of Lockgate's own errors; None for any other."""

    kind: str | None
    message: str
    cure: str = ""
    place: str = ""
    column: str | None = None
    row: int | None = None
    reason: str | None = None
    is_memory: bool = False


def main() -> None:
    """Arguments: the two ends of its pipes, its memory in MB, its seconds of processor time, how to work, and on what."""
    take, give, memory_mb, cpu_s = (int(word) for word in sys.argv[1:5])
    mode, entry = sys.argv[5:7]
    for end in (take, give):
        os.set_inheritable(end, False)
    bound(memory_mb, cpu_s)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True, name="lockgate-parent").start()
    (_once if mode == "once" else _serve)(entry, take, give)
    sys.stderr.flush()
    os._exit(0)  # threads of a framework may never end by themselves


def bound(memory_mb: int, cpu_s: int) -> None:
    """Its own memory and processor time. RLIMIT_DATA is what it writes to; address space would count a gigabyte of mapped
    libraries that nobody touches. Systems that do not know it leave memory to the parent's watch.
    """
    resource: Any = import_module("resource")
    _limit(resource, "RLIMIT_DATA", memory_mb << 20)
    _limit(resource, "RLIMIT_CORE", 0)
    allow_cpu(cpu_s)


def allow_cpu(seconds: float) -> None:
    """From now on, so many seconds of processor time more: a child whose parent is gone ends too, whatever it is in."""
    resource: Any = import_module("resource")
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def _limit(resource: Any, name: str, value: int) -> None:
    try:
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (value if hard < 0 else min(value, hard), hard))
    except (AttributeError, ValueError, OSError):
        return  # a system without it, or with a lower one already


def _once(entry: str, take: int, give: int) -> None:
    body = receive(take)
    if body is not None:
        _answer(give, lambda: _resolve(entry)(body))


def _serve(entry: str, take: int, give: int) -> None:
    """The first message opens: its entry gives what answers all others."""
    body = receive(take)
    opened: list[Handle] = []

    def open_() -> bytes:
        opened.append(_resolve(entry)(body))
        return b""

    if body is None or not _answer(give, open_):
        return
    (handle,) = opened
    while (asked := receive(take)) is not None:
        _answer(give, partial(handle, asked))


def _answer(give: int, work: Callable[[], bytes]) -> bool:
    try:
        body = work()
    except LockgateError as error:
        send(give, FAILED, msgspec.msgpack.encode(_failure(error)))
        return False
    except BaseException as error:  # noqa: BLE001 - also sys.exit and whatever a framework throws: the parent is told
        traceback.print_exc()
        sys.stderr.flush()
        said = (str(error).strip().splitlines() or [""])[0][:300]
        is_memory = isinstance(error, MemoryError) or "bad_alloc" in said
        failure = Failure(kind=None, message=f"{type(error).__name__}: {said}".rstrip(": "), is_memory=is_memory)
        send(give, FAILED, msgspec.msgpack.encode(failure))
        return False
    send(give, DONE, body)
    return True


def _failure(error: LockgateError) -> Failure:
    return Failure(
        kind=type(error).__name__,
        message=error.message,
        cure=error.cure,
        place=error.place,
        column=getattr(error, "column", None),
        row=getattr(error, "row", None),
        reason=getattr(error, "reason", None),
    )


def _resolve(entry: str) -> Callable[..., Any]:
    module, _, name = entry.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def send(pipe: int, kind: int, body: bytes) -> None:
    """One message, whole; the pipe blocks."""
    for part in (HEAD.pack(kind, len(body)), body):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(pipe, rest) :]


def receive(pipe: int) -> bytes | None:
    """The next message's body; None where the parent closed the pipe."""
    head = _exactly(pipe, HEAD.size)
    if head is None:
        return None
    _, size = HEAD.unpack(head)
    return _exactly(pipe, size)


def _exactly(pipe: int, size: int) -> bytes | None:
    body = bytearray()
    while len(body) < size:
        part = os.read(pipe, min(size - len(body), 1 << 20))
        if not part:
            return None
        body += part
    return bytes(body)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
