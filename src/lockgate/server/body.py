"""A request's body, bounded, and what its headers say it is."""

from __future__ import annotations

from starlette.requests import Request

from lockgate.server.statuses import Refused

LARGEST_BODY = 10 * 1024 * 1024


async def read(request: Request) -> bytes:
    """The body, given up as soon as it is too large, whatever its header says. Raises Refused."""
    coding = request.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise Refused("media_type", f"A body comes as it is, not as {coding}; leave Content-Encoding out.")
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def media_type(request: Request) -> str:
    """`text/csv` of `text/csv; charset=utf-8`; "" where the header is absent. Raises Refused for another charset."""
    kind, *said = (part.strip() for part in request.headers.get("content-type", "").lower().split(";"))
    charset = next((part.partition("=")[2].strip('"') for part in said if part.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise Refused("media_type", f"A body is read as UTF-8, not as {charset}.")
    return kind


def _too_large() -> Refused:
    return Refused("too_large", f"A body may hold {LARGEST_BODY // 2**20} MiB; send fewer rows at once.")
