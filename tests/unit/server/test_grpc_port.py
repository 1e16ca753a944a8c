"""The gRPC port is held by one parent, shared by its workers, and a busy one is a conflict in words."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing

import pytest

from lockgate.errors import Conflict
from lockgate.server.grpc_port import address, held


def test_a_second_parent_is_told_before_and_after_workers_listen():
    with closing(held("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(Conflict, match=r"--grpc-port"):
            held("127.0.0.1", port)
        with socket.socket() as one, socket.socket() as two:
            for worker in (one, two):
                worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                worker.bind(("127.0.0.1", port))
                worker.listen()
            with pytest.raises(Conflict, match=f"Port {port}"):
                held("127.0.0.1", port)
            socket.create_connection(("127.0.0.1", port), 1).close()


def test_a_port_that_somebody_else_listens_on_is_a_conflict():
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Conflict):
        held("127.0.0.1", other.getsockname()[1])


def test_an_address_of_ipv6_stands_in_brackets():
    with closing(held("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert address("127.0.0.1", holder) == f"127.0.0.1:{port}"
        assert address("::1", holder) == f"[::1]:{port}"


WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Missing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "grpc" else PathFinder.find_spec(name, path, target)
sys.meta_path[:] = [Missing if finder is PathFinder else finder for finder in sys.meta_path]
from lockgate.errors import SpecError
from lockgate.server.grpc_port import held
try:
    held("127.0.0.1", 0)
except SpecError as error:
    print(error)
"""


def test_without_the_extra_it_says_what_to_install():
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=30, check=True)
    assert "pip install lockgate[grpc]" in ran.stdout
