"""The port that gRPC is spoken on: asked for in words, and held by the parent while the workers listen on it."""

from __future__ import annotations

import socket
from importlib.util import find_spec

from lockgate.errors import Conflict, SpecError

CURE = "Run: pip install lockgate[grpc]"


def held(host: str, port: int) -> socket.socket:
    """A socket that has the port and does not listen, so that only this parent's workers may. Close it to give it up.

    Raises Conflict where the port is taken, SpecError where the extra is missing or the machine cannot share a port.
    """
    if find_spec("grpc") is None or find_spec("google") is None or find_spec("google.protobuf") is None:
        raise SpecError("gRPC needs grpcio and protobuf, which are not installed.", cure=CURE)
    if not hasattr(socket, "SO_REUSEPORT"):
        raise SpecError("gRPC needs a port that several workers share, which this system has not.", cure="Use HTTP.")
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((host, port))
    except OSError as error:
        holder.close()
        raise Conflict(
            f"Port {port} on {host} cannot be listened on: {error.strerror}.",
            cure="Stop whoever holds it, or choose another with --grpc-port.",
        ) from error
    # Only now: bound with it, a second parent of the same user would have got the same port, and half of its calls.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return holder


def address(host: str, holder: socket.socket) -> str:
    port = holder.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
