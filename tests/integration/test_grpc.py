"""The Open Inference Protocol over gRPC, asked by Triton's own client with its defaults and by bare gRPC."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

ROWS: list[dict[str, Any]] = [
    {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"},
    {"wait": 9.0, "seats": 7, "carrier": "UA", "plane": "Ñ2"},
    {"wait": 1.0, "seats": 300, "carrier": "ZZ", "plane": ""},
]
KINDS = {"wait": "FP64", "seats": "INT64", "carrier": "BYTES", "plane": "BYTES"}
GRPC = ("--grpc-port", "0")
INFER = "/inference.GRPCInferenceService/ModelInfer"


def at(server: Any) -> str:
    return f"127.0.0.1:{server.state()['grpc_port']}"


@pytest.fixture(scope="module")
def triton(served: Any) -> Iterator[tuple[Any, Any]]:
    import tritonclient.grpc as module

    client = module.InferenceServerClient(at(served[1]))
    yield module, client
    client.close()


@pytest.fixture
def channel(served: Any) -> Iterator[Any]:
    with grpc.insecure_channel(at(served[1])) as channel:
        yield channel


def tensors(module: Any, rows: list[dict[str, Any]]) -> list[Any]:
    dtypes = {"FP64": np.float64, "INT64": np.int64, "BYTES": object}
    made = []
    for name, kind in KINDS.items():
        tensor = module.InferInput(name, [len(rows)], kind)
        tensor.set_data_from_numpy(np.array([row[name] for row in rows], dtype=dtypes[kind]))
        made.append(tensor)
    return made


def message(rows: list[dict[str, Any]], **more: Any) -> bytes:
    """The same as typed contents, as KServe's own examples send them."""
    from lockgate.server.grpc_messages import inference

    own = {"FP64": "fp64_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}
    inputs = [
        {
            "name": name,
            "datatype": kind,
            "shape": [len(rows)],
            "contents": {own[kind]: [row[name].encode() if kind == "BYTES" else row[name] for row in rows]},
        }
        for name, kind in KINDS.items()
    ]
    return inference["ModelInferRequest"](**({"model_name": "late", "inputs": inputs} | more)).SerializeToString()


def refused(call: Any, sent: bytes, **how: Any) -> tuple[Any, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(sent, **({"timeout": 10} | how))
    return raised.value.code(), raised.value.details()


def values(served: Any, rows: list[dict[str, Any]]) -> list[float]:
    return [prediction["value"] for prediction in served[1].predict(*rows).json()["predictions"]]


def test_triton_scores_with_its_defaults_as_predict_does(triton, served):
    module, client = triton
    result = client.infer("late", tensors(module, ROWS))
    assert result.as_numpy("value").tolist() == values(served, ROWS)
    assert result.as_numpy("flags").tolist() == [b"", b"", b"carrier: unseen level"]
    assert len(result.get_response().raw_output_contents) == 7, "raw was sent, so raw is answered"


def test_triton_may_ask_for_outputs_under_an_id_for_a_unit(triton):
    module, client = triton
    asked = [module.InferRequestedOutput(name) for name in ("id", "value")]
    result = client.infer("late", tensors(module, ROWS), outputs=asked, request_id="g", parameters={"unit": "u1"})
    assert result.as_numpy("id").tolist() == [b"g-0", b"g-1", b"g-2"]
    assert result.get_response().id == "g"
    assert result.as_numpy("version") is None


def test_triton_finds_server_and_model_alive_and_described(triton, served):
    _, client = triton
    version = served[0].fitted[1]
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("late")
    assert client.is_model_ready("late", version)
    assert not client.is_model_ready("late", "nosuch")
    assert not client.is_model_ready("nosuch")
    assert "binary_tensor_data" in client.get_server_metadata().extensions
    told = client.get_model_metadata("late", version)
    assert {tensor.name: tensor.datatype for tensor in told.inputs} == KINDS
    assert [list(tensor.shape) for tensor in told.inputs] == [[-1]] * 4
    assert version in told.versions


def test_triton_is_told_which_column_is_wrong_and_what_it_may_not_ask(triton):
    module, client = triton
    sent = tensors(module, [ROWS[0]])
    with pytest.raises(module.InferenceServerException, match=r"INVALID_ARGUMENT.*seats.*above range"):
        client.infer("late", tensors(module, [ROWS[0] | {"seats": 501}]))
    with pytest.raises(module.InferenceServerException, match=r"NOT_FOUND.*no model 'nosuch'"):
        client.infer("nosuch", sent)
    for parameter in ({"priority": 2}, {"timeout": 1000}, {"sequence_id": 7}):
        with pytest.raises(module.InferenceServerException, match=rf"INVALID_ARGUMENT.*{next(iter(parameter))[:8]}"):
            client.infer("late", sent, **parameter)


def test_triton_over_asyncio_scores_as_well(served):
    import asyncio

    import tritonclient.grpc.aio as module

    async def ask() -> list[float]:
        async with module.InferenceServerClient(at(served[1])) as client:
            return (await client.infer("late", tensors(module, ROWS))).as_numpy("value").tolist()

    assert asyncio.run(ask()) == values(served, ROWS)


def test_typed_contents_are_answered_typed(channel, served):
    from lockgate.server.grpc_messages import inference

    told = inference["ModelInferResponse"].FromString(channel.unary_unary(INFER)(message(ROWS)))
    found = {output.name: output for output in told.outputs}
    assert list(found["value"].contents.fp64_contents) == values(served, ROWS)
    assert list(found["flags"].contents.bytes_contents)[2] == b"carrier: unseen level"
    assert not told.raw_output_contents


def test_an_id_with_other_rows_is_refused_and_with_the_same_ones_answered_alike(channel):
    call = channel.unary_unary(INFER)
    assert call(message(ROWS[:1], id="once")) == call(message(ROWS[:1], id="once"))
    code, said = refused(call, message(ROWS[1:2], id="once"))
    assert (code, "once" in said) == (grpc.StatusCode.ALREADY_EXISTS, True)


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        (b"\xff\xff\xff", "INVALID_ARGUMENT", "no ModelInferRequest"),
        (b"", "NOT_FOUND", "There is no model ''"),
        (message([]), "INVALID_ARGUMENT", "no rows"),
        (message([ROWS[0] | {"wait": float("inf")}]), "INVALID_ARGUMENT", "wait"),
        (message([ROWS[0] | {"wait": float("nan")}]), "INVALID_ARGUMENT", "wait"),
        (message(ROWS, inputs=[]), "INVALID_ARGUMENT", ""),
        (message(ROWS, outputs=[{"name": "nosuch"}]), "INVALID_ARGUMENT", "no output 'nosuch'"),
        (message(ROWS, model_version="nosuch"), "NOT_FOUND", "no version 'nosuch'"),
        (message(ROWS) + message(ROWS), "INVALID_ARGUMENT", "comes twice"),
    ],
)
def test_bad_input_is_refused_in_words(channel, sent, code, said):
    found, details = refused(channel.unary_unary(INFER), sent)
    assert (found.name, said in details) == (code, True), details


def test_other_methods_of_the_service_do_not_exist(channel):
    code, _ = refused(channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex"), b"")
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_the_health_that_grpc_itself_knows(channel):
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    serving = b"\x08\x01"
    assert check(b"", timeout=5) == serving
    assert check(b"\x0a\x1einference.GRPCInferenceService", timeout=5) == serving
    assert refused(check, b"\xff")[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert refused(check, b"\x0a\x01x")[0] is grpc.StatusCode.NOT_FOUND


def test_a_message_is_bounded_as_a_body_is_packed_or_not(channel, served):
    """Packed, a hundred megabytes are a hundred kilobytes: the bound is on what they unpack to."""
    call = channel.unary_unary(INFER)
    assert refused(call, bytes(11 * 2**20))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    code, _ = refused(call, bytes(100 * 2**20), compression=grpc.Compression.Gzip)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert channel.unary_unary(INFER)(message(ROWS), compression=grpc.Compression.Gzip)
    assert peak_mb(served[1].state()["workers"][0]) < 600


def peak_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def test_calls_in_hand_finish_at_sigterm_and_are_logged(project):
    project.publish(project.add_constant("slow", 0.7, "slow"), deadline_ms=5000.0)
    found: list[Any] = []
    with project.serving(options=GRPC) as server, grpc.insecure_channel(at(server)) as channel:
        ask = channel.unary_unary(INFER)
        caller = threading.Thread(target=lambda: found.append(ask(message(ROWS[:1], id="in-hand"), timeout=10)))
        caller.start()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        caller.join(10)
        assert server.process.wait(10) == 0
    assert found
    assert [entry.id for entry in project.log()] == ["in-hand-0"]


def test_readiness_is_off_over_grpc_while_it_drains(project, until):
    project.publish(project.add_constant("one", 0.7))
    with project.serving(options=GRPC) as server, grpc.insecure_channel(at(server)) as channel:
        ready = channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
        assert ready(b"", timeout=5, wait_for_ready=True) == b"\x08\x01"
        os.kill(server.state()["workers"][0], signal.SIGTERM)
        until(lambda: ready(b"", timeout=1) == b"", "readiness to go", within_s=0.45)


def test_a_caller_whose_deadline_passes_is_told_in_time(project):
    project.publish(project.add_constant("slow", 0.7, "slow"), deadline_ms=5000.0)
    with project.serving(options=GRPC) as server, grpc.insecure_channel(at(server)) as channel:
        begun = time.monotonic()
        code, _ = refused(channel.unary_unary(INFER), message(ROWS[:1]), timeout=0.3)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 0.8
        ready = channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
        assert ready(b"", timeout=5) == b"\x08\x01"


def test_two_workers_share_the_port_and_one_of_them_may_die(project, until):
    """The kernel deals out connections, so twenty new ones reach both; a killed worker is replaced on the same port."""
    project.publish(project.add_constant("one", 0.7))
    with project.serving(workers=2, options=GRPC) as server:
        until(lambda: listeners(server) == set(server.state()["workers"]), "both workers to listen")
        assert all(ask_anew(server) for _ in range(20))
        os.kill(server.state()["workers"][0], signal.SIGKILL)
        until(lambda: listeners(server) == set(server.state()["workers"]), "the next worker to listen", within_s=15)
        assert all(ask_anew(server) for _ in range(20))


def ask_anew(server: Any) -> bytes:
    with grpc.insecure_channel(at(server), options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        return channel.unary_unary(INFER)(message(ROWS[:1]), timeout=10, wait_for_ready=True)


def listeners(server: Any) -> set[int]:
    """The workers that hold a listening socket on the gRPC port, as the kernel tells."""
    port = f":{server.state()['grpc_port']:04X}"
    listening = "0A"
    inodes = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}") as file:  # noqa: PTH123
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[1].endswith(port) and fields[3] == listening:
                    inodes.add(f"socket:[{fields[9]}]")
    return {pid for pid in server.state()["workers"] if held(server, pid) & inodes}


def held(server: Any, pid: int) -> set[str]:
    try:
        return server.sockets(pid)
    except OSError:
        return set()
