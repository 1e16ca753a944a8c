"""Photograph the page Now of a demo under way: once while a rollout runs, once while none does.

Run it beside the demo:  make demo & .venv/bin/python docs/photograph.py lockgate-demo docs
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_S = 300


def main(project: Path, out: Path) -> None:
    wanted = {"now-rollout.png": _has_share, "now-serving.png": _serves_after_a_rollout}
    give_up = time.monotonic() + PATIENCE_S
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 420}, device_scale_factor=2)
        while wanted and time.monotonic() < give_up:
            address = _address(project)
            rows = _rows(address) if address else []
            for name in [name for name, holds in wanted.items() if rows and holds(rows[0])]:
                page.goto(f"{address}/")
                page.wait_for_selector("table")
                page.screenshot(path=out / name)
                del wanted[name]
            time.sleep(0.2)
        browser.close()
    if wanted:
        sys.exit(f"not seen: {', '.join(wanted)}")


def _has_share(row: dict) -> bool:
    return any(arm["role"] == "challenger" and arm["share"] > 0 for arm in row["traffic"])


def _serves_after_a_rollout(row: dict) -> bool:
    return row["state"] == "serving" and bool(row["alarms"])


def _address(project: Path) -> str | None:
    try:
        return f"http://127.0.0.1:{json.loads((project / '.lockgate' / 'server.json').read_text())['pages_port']}"
    except (OSError, ValueError):
        return None


def _rows(address: str) -> list[dict]:
    try:
        with urllib.request.urlopen(  # noqa: S310 - an address on this machine, built just above
            f"{address}/api/now", timeout=2
        ) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
