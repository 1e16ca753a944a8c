"""The page Now in a real browser: it says what the records say, and keeps itself fresh."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def test_the_page_shows_the_model_and_asks_for_itself_again(serving: Any, browser: Any) -> None:
    _, server = serving
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.pages}/")
    assert page.locator("h1").inner_text() == "Now"
    assert "100%" in page.locator("tbody").inner_text()
    give_up = time.monotonic() + 15
    while sum(url.endswith("/now") for url in asked) < 2 and time.monotonic() < give_up:
        page.wait_for_timeout(200)
    assert sum(url.endswith("/now") for url in asked) >= 2, asked
    assert page.locator("table").count() == 1, "the fresh table takes the place of the old one"
    assert all(url.startswith(("http://127.0.0.1:", "data:")) for url in asked), asked
    assert complaints == []
    page.close()
