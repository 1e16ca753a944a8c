"""`lockgate serve` behind its door: a real server, real clients, tokens that open it and whoever has none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lockgate as lg
from lockgate.errors import SpecError
from lockgate.server.door import OPEN

TOKEN, NEXT = "t" * 32, "n" * 32
SHOWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def guarded(new_project: Any) -> Iterator[Any]:
    project = new_project("guarded")
    project.publish(project.add_fitted())
    with project.serving(LOCKGATE_TOKEN=TOKEN) as server:
        yield server


def test_every_documented_route_but_the_probes_wants_the_token(guarded):
    document = guarded.client.get(f"{guarded.url}/openapi.json", headers=SHOWN).json()
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods:
            answer = guarded.client.request(method, f"{guarded.url}{path}")
            assert (answer.status_code == 401) == (path not in OPEN), (method, path, answer.text)
            asked += 1
    assert asked > 15


def test_what_is_no_route_tells_a_stranger_nothing(guarded):
    for path in ("/metrics", "/nosuch", "/predict/late/", "//predict/late"):
        assert guarded.get(path).status_code == 401


def test_readiness_is_told_to_all_and_its_details_to_holders(guarded):
    assert guarded.get("/readyz").json() == {"ready": True}
    told = guarded.client.get(f"{guarded.url}/readyz", headers=SHOWN).json()
    assert told["models"] == ["late"]


def test_a_stranger_is_refused_before_the_body_is_sent(guarded):
    """A body that never comes is not waited for; a holder's is."""
    port = int(guarded.url.rpartition(":")[2])
    head = b"POST /predict/late HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n%b\r\n{"
    with socket.create_connection(("127.0.0.1", port), timeout=3) as line:
        line.sendall(head % b"")
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as line:
        line.sendall(head % f"Authorization: Bearer {TOKEN}\r\n".encode())
        with pytest.raises(TimeoutError):
            line.recv(4096)


def test_a_token_behind_the_body_is_none(guarded):
    """A trailer is not a header: a proxy that checks tokens has not seen it."""
    port = int(guarded.url.rpartition(":")[2])
    trailer = f"Authorization: Bearer {TOKEN}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=3) as line:
        line.sendall(
            b"POST /predict/late HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailer + b"\r\n"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_the_client_shows_it(guarded, monkeypatch, tmp_path):
    row = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
    with lg.Client(guarded.url, token=TOKEN) as client:
        assert client.predict("late", [row])[0].failure is None
    with lg.Client(guarded.url) as client, pytest.raises(SpecError, match=r"wants a token.*LOCKGATE_TOKEN"):
        client.predict("late", [row])
    monkeypatch.setenv("LOCKGATE_TOKEN", f"{TOKEN}\n{NEXT}")
    with lg.Client(guarded.url) as client:
        assert client.predict("late", [row])[0].failure is None
    monkeypatch.delenv("LOCKGATE_TOKEN")
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("LOCKGATE_TOKEN_FILE", str(tmp_path / "token"))
    with lg.Client(guarded.url) as client:
        assert client.predict("late", [row])[0].failure is None
    with pytest.raises(SpecError, match="16 is the least"):
        lg.Client(guarded.url, token="short")


def test_triton_and_mlflow_clients_can_show_it(guarded):
    import tritonclient.http as triton

    client = triton.InferenceServerClient(guarded.url.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        with pytest.raises(triton.InferenceServerException):
            client.get_model_metadata("late")
        assert client.get_model_metadata("late", headers=SHOWN)["name"] == "late"
    finally:
        client.close()


def test_a_worker_keeps_the_token_to_itself(guarded):
    """What a worker starts, a model of somebody else's among it, does not inherit it."""
    worker = guarded.state()["workers"][0]
    environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"LOCKGATE_TOKEN=" in environment, "as it was started"
    told = subprocess.run(
        [sys.executable, "-c", TAKE],
        env=os.environ | {"LOCKGATE_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"


TAKE = """
import os, subprocess, sys
from lockgate.server import tokens
tokens.take(os.environ)
print(subprocess.run([sys.executable, "-c", "import os; print([n for n in os.environ if 'TOKEN' in n])"],
                     capture_output=True, text=True, check=True).stdout)
"""


def test_a_token_is_replaced_without_a_restart(project, until, tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    project.publish(project.add_fitted())

    def status(server: Any, token: str) -> int:
        return server.client.get(f"{server.url}/models/late", headers={"Authorization": f"Bearer {token}"}).status_code

    with project.serving(LOCKGATE_TOKEN_FILE=str(file)) as server:
        assert (status(server, TOKEN), status(server, NEXT)) == (200, 401)
        file.write_text(f"{TOKEN}\n{NEXT}\n")
        until(lambda: status(server, NEXT) == 200, "the next token")
        assert status(server, TOKEN) == 200, "both are good meanwhile"
        file.write_text(f"{NEXT}\n")
        until(lambda: status(server, TOKEN) == 401, "the first to be over")
        assert status(server, NEXT) == 200


def test_beyond_this_machine_it_listens_with_a_token_alone(workshop):
    done = workshop.run("serve", "--host", "0.0.0.0", "--port", "0", "--pages-port", "0")
    assert done.returncode == 3
    assert "no token to ask for" in done.stderr
    assert "openssl rand -hex 32" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    with workshop.serving(LOCKGATE_TOKEN=TOKEN, LOCKGATE_SERVER_HOST="0.0.0.0") as server:
        assert server.state["host"] == "0.0.0.0"
        assert server.client.get(f"{server.pages}/").status_code == 401
        assert server.client.get(f"{server.pages}/", auth=("me", TOKEN)).status_code == 200
        assert server.client.get(f"{server.pages}/api/now", headers=SHOWN).json()[0]["model"] == "tide"
        assert server.client.get(f"{server.pages}/static/htmx.min.js").status_code == 401


def test_without_a_token_pages_are_shown_under_this_machines_names_alone(serving):
    _, server = serving
    assert server.client.get(f"{server.pages}/").status_code == 200
    assert server.client.get(f"{server.pages}/", headers={"Host": "evil.example:8081"}).status_code == 421
    assert server.client.get(f"{server.pages}/now", headers={"Origin": "http://evil.example"}).status_code == 421
    told = {"outcomes": [{"id": "forged-0", "value": 1}]}
    forged = server.client.post(f"{server.url}/outcomes/tide", json=told, headers={"Origin": "http://evil.example"})
    assert forged.status_code == 421
    assert server.client.post(f"{server.pages}/", content=b"x").status_code == 405


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("LOCKGATE_SERVER_PROT", "1", "Did you mean LOCKGATE_SERVER_PORT?"),
        ("LOCKGATE_SERVER_PORT", "http", "LOCKGATE_SERVER_PORT is 'http'"),
        ("LOCKGATE_SERVER_WORKERS", "0", "LOCKGATE_SERVER_WORKERS is '0'"),
        ("LOCKGATE_TOKEN", "short", "LOCKGATE_TOKEN has 5 characters"),
        ("LOCKGATE_TOKEN_FILE", "/nowhere/token", "cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence(workshop, name, text, said):
    command = [sys.executable, "-m", "lockgate", "serve", "-C", str(workshop.root)]
    done = subprocess.run(
        command, env=os.environ | {name: text}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_project_may_be_named_by_the_environment_and_an_option_counts_more(workshop, tmp_path):
    command = [sys.executable, "-m", "lockgate", "status", "--json"]
    told = os.environ | {"LOCKGATE_PROJECT": str(workshop.root)}
    done = subprocess.run(command, env=told, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)[0]["model"] == "tide"
    done = subprocess.run(
        [*command, "-C", str(tmp_path)], env=told, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert str(tmp_path) in done.stderr
