"""What the house asks of the outside. Services see these; adapters live in the files beside, and are named in
`workspace.wire` alone. Every adapter of a port passes the same kit in tests/conformance.
"""

from __future__ import annotations

from lockgate.store.ports.log import Compacted, Cursor, LogNotices, LogTeller, LogWriter, PredictionLog, Told
from lockgate.store.ports.records import K, Kept, Lease, Records, Replaced, Written
from lockgate.store.ports.serving import RoutingBoard, VersionFolders
from lockgate.store.ports.tables import Cleaned, Events, Tables, Taken
from lockgate.store.ports.tracking import Registered, Registry, Tracker

__all__ = [
    "Cleaned",
    "Compacted",
    "Cursor",
    "Events",
    "K",
    "Kept",
    "Lease",
    "LogNotices",
    "LogTeller",
    "LogWriter",
    "PredictionLog",
    "Records",
    "Registered",
    "Registry",
    "Replaced",
    "RoutingBoard",
    "Tables",
    "Taken",
    "Told",
    "Tracker",
    "VersionFolders",
    "Written",
]
