"""Parquet files of one schema as one, without reading a value: their row groups are copied byte for byte, and one footer is
made of theirs.

A footer is a Thrift struct in the compact protocol. It is read into plain values whatever its fields are, so that what a
writer notes is kept; page indexes and bloom filters, which hold places of their own, are left out. Source: parquet-format,
`README.md` and `parquet.thrift`; Thrift, `thrift-compact-protocol.md`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

MAGIC = b"PAR1"
_TRUE, _FALSE, _BYTE, _I16, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 4, 6, 7, 8, 9, 10, 12
# FileMetaData, RowGroup, ColumnChunk, ColumnMetaData: the fields that are read, moved or left out.
_SCHEMA, _ROWS, _GROUPS = 2, 3, 4
_COLUMNS, _GROUP_AT, _ORDINAL = 1, 5, 7
_CHUNK_AT, _META, _PAGE_INDEXES = 2, 3, (4, 5, 6, 7)
_DATA_AT, _INDEX_AT, _DICTIONARY_AT, _BLOOMS = 9, 10, 11, (14, 15)
_AT_ONCE = 1 << 20

Fields = dict[int, tuple[int, Any]]
"""A struct: by field, its type on the wire and its value. A list is its elements' type and they."""


class _Part(NamedTuple):
    """footer_at: the row groups lie between the first four bytes and that."""

    footer_at: int
    footer: Fields


def join(parts: Sequence[Path], whole: Path) -> None:
    """One or more files as a new one, their row groups in order; what it holds in memory is the footer.

    Raises ValueError where one is no whole Parquet file or has other columns, OSError where the disk refuses.
    """
    first: Fields = {}
    groups: list[bytes] = []
    rows = 0
    with whole.open("xb") as out:
        out.write(MAGIC)
        for path in parts:
            with path.open("rb") as file:
                part = _part(file, path)
                first = first or part.footer
                if part.footer[_SCHEMA] != first[_SCHEMA]:
                    raise ValueError(f"{path} has other columns than {parts[0]}")
                by = out.tell() - len(MAGIC)
                _copy(file, part.footer_at, out)
            groups += (_struct(_moved(group, by)) for group in part.footer[_GROUPS][1][1])
            rows += part.footer[_ROWS][1]
        body = _struct(first | {_ROWS: (_I64, rows), _GROUPS: (_LIST, (_STRUCT, groups))})
        out.write(body + len(body).to_bytes(4, "little") + MAGIC)


def _part(file: BinaryIO, path: Path) -> _Part:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 8, 0))
    tail = file.read()
    footer_at = size - 8 - int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or footer_at < len(MAGIC):
        raise ValueError(f"{path} is no whole Parquet file")
    file.seek(footer_at)
    return _Part(footer_at, _Reader(file.read(size - 8 - footer_at)).struct())


def _copy(file: BinaryIO, until: int, out: BinaryIO) -> None:
    left = until - file.seek(len(MAGIC))
    while left:
        left -= out.write(file.read(min(left, _AT_ONCE)))


def _moved(group: Fields, by: int) -> Fields:
    """The row group, so many bytes further on."""
    kind, columns = group[_COLUMNS][1]
    chunks = [_chunk(column, by) for column in columns]
    return _without(_shifted(group, by, _GROUP_AT), _ORDINAL) | {_COLUMNS: (_LIST, (kind, chunks))}


def _chunk(column: Fields, by: int) -> Fields:
    kind, meta = column[_META]
    moved = _without(_shifted(meta, by, _DATA_AT, _INDEX_AT, _DICTIONARY_AT), *_BLOOMS)
    return _without(_shifted(column, by, _CHUNK_AT), *_PAGE_INDEXES) | {_META: (kind, moved)}


def _shifted(fields: Fields, by: int, *places: int) -> Fields:
    """0 is no place: it is what writers note where they have none."""
    moved = {at: (kind, value + by if value else value) for at, (kind, value) in fields.items() if at in places}
    return fields | moved


def _without(fields: Fields, *places: int) -> Fields:
    return {at: value for at, value in fields.items() if at not in places}


class _Reader:
    """Thrift's compact protocol, as far as footers use it."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def struct(self) -> Fields:
        found: Fields = {}
        field = 0
        while (head := self._byte()) != 0:
            step, kind = head >> 4, head & 15
            field = field + step if step else self._whole()
            found[field] = (kind, None if kind in (_TRUE, _FALSE) else self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE, _BYTE):  # in a list a truth is a byte
            return self._byte()
        if _I16 <= kind <= _I64:
            return self._whole()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._size())
        if kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._size()
            return head & 15, [self._value(head & 15) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct()
        raise ValueError(f"a footer with a field of type {kind}")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        found = self._body[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("a footer that breaks off")
        self._at += count
        return found

    def _size(self) -> int:
        found = shift = 0
        while (byte := self._byte()) >= 128:
            found |= (byte & 127) << shift
            shift += 7
        return found | byte << shift

    def _whole(self) -> int:
        found = self._size()
        return (found >> 1) ^ -(found & 1)


def _struct(fields: Fields) -> bytes:
    found = bytearray()
    before = 0
    for field, (kind, value) in sorted(fields.items()):
        step = field - before
        found += bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + _whole(field)
        if kind not in (_TRUE, _FALSE):
            found += _value(kind, value)
        before = field
    return bytes(found) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in (_TRUE, _FALSE, _BYTE):
        return bytes([value])
    if _I16 <= kind <= _I64:
        return _whole(value)
    if kind in (_DOUBLE, _BINARY):
        body: bytes = value
        return body if kind == _DOUBLE else _size(len(body)) + body
    if kind in (_LIST, _SET):
        own, values = value
        few = len(values) < 15
        head = bytes([(len(values) if few else 15) << 4 | own]) + (b"" if few else _size(len(values)))
        return head + b"".join(_value(own, one) for one in values)
    written: bytes = value if isinstance(value, bytes) else _struct(value)  # of many, all but one are held as bytes
    return written


def _size(value: int) -> bytes:
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _whole(value: int) -> bytes:
    return _size(value << 1 if value >= 0 else (-value << 1) - 1)
