"""What a worker's loop costs gRPC: an empty unary call to grpc.aio on asyncio's own loop and on uvloop.

Each in a process of its own, in turns, so that a busy neighbour meets both. Figures are calls a second at 1 and 16 calls in
flight over one connection, and the server's CPU a call. Run: python benchmarks/serving/grpc_loops.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import time
from typing import Any

import grpc

ROUNDS = 3
CALLS = {1: 1000, 16: 4000}


async def echo(sent: bytes, _context: Any) -> bytes:
    return sent


async def answer(told: Any) -> None:
    server = grpc.aio.server()
    methods = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Loop", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    told.send(port)
    await asyncio.to_thread(told.recv)
    await server.stop(1)


def serve(loop: str, told: Any) -> None:
    if loop == "uvloop":
        import uvloop

        uvloop.run(answer(told))
    else:
        asyncio.run(answer(told))
    used = resource.getrusage(resource.RUSAGE_SELF)
    told.send(used.ru_utime + used.ru_stime)


async def rate(port: int, at_once: int, calls: int) -> float:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        echo = channel.unary_unary("/bench.Loop/Echo")

        async def one() -> None:
            for _ in range(calls // at_once):
                await echo(b"x" * 100)

        begun = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(at_once)))
        return calls / (time.perf_counter() - begun)


def measure(loop: str) -> tuple[list[float], float]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(loop, there))
    process.start()
    port = here.recv()
    rates = [asyncio.run(rate(port, at_once, calls)) for at_once, calls in CALLS.items()]
    here.send("stop")
    cpu_s = here.recv()
    process.join()
    return rates, cpu_s / sum(CALLS.values())


if __name__ == "__main__":
    print("loop      " + "".join(f"{f'{at_once} at once':>14}" for at_once in CALLS) + f"{'CPU a call':>14}")
    for _ in range(ROUNDS):
        for loop in ("asyncio", "uvloop"):
            rates, cpu_s = measure(loop)
            print(f"{loop:10}" + "".join(f"{value:12.0f}/s" for value in rates) + f"{cpu_s * 1e6:11.0f} us")
