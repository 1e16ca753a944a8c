"""The ledger at the command line: written out, and verified."""

from __future__ import annotations

import sys
from pathlib import Path

from lockgate.cli import show
from lockgate.cli.options import opened
from lockgate.report import ledger
from lockgate.store import ledger_file


def export(directory: Path, file: Path, *, json: bool) -> None:
    """All of a workspace's ledger into a file."""
    count = ledger_file.export(ledger.walk(opened(directory).wiring.records), file)
    if json:
        show.as_json({"file": str(file), "entries": count})
        return
    show.say(f"{count:,} entries into {file}.")
    show.following(f"lockgate why --verify {file}")


def verify(directory: Path, file: Path | None, *, json: bool) -> None:
    """The workspace's own ledger and the records beside it; or a file, without any workspace. Exit 1 where broken."""
    if file is None:
        found = ledger.verify_records(opened(directory).wiring.records)
    else:
        found = ledger.verify(ledger_file.read(file))
    if json:
        show.as_json(found._asdict())
    elif found.broken is not None:
        show.say(found.broken.sentence, f"{found.entries:,} entries before it hold.")
    else:
        show.say(f"{found.entries:,} entries, the chain holds.", f"its last digest: {found.head}")
        if file is None:
            show.following("lockgate why --export FILE.jsonl")
    sys.exit(show.EXIT["pass" if found.broken is None else "fail"])
