"""The kit of the routing board: the latest routing, whole, per model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.errors import StoreError
from lockgate.records import Routing
from lockgate.store.memory import MemoryBoard
from lockgate.store.ports import RoutingBoard
from lockgate.store.routing_file import RoutingFiles

ADAPTERS: dict[str, Callable[[Path], RoutingBoard]] = {
    "memory": lambda _: MemoryBoard(),
    "files": lambda folder: RoutingFiles(folder / "routing"),
}


@pytest.fixture(params=ADAPTERS)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> RoutingBoard:
    return ADAPTERS[request.param](tmp_path)


def routing(revision: int, model: str = "late_arrival", champion: str = "old") -> Routing:
    return Routing(
        model=model,
        revision=revision,
        champion=champion,
        baseline="base",
        constant=0.25,
        chain=("champion", "constant"),
    )


def test_a_board_nobody_wrote_on_knows_no_model(board: RoutingBoard) -> None:
    assert board.models() == ()
    assert board.read("late_arrival") is None


def test_what_was_published_is_read_as_it_was(board: RoutingBoard) -> None:
    board.publish(routing(1))
    assert board.read("late_arrival") == routing(1)


def test_the_last_published_replaces_the_one_before(board: RoutingBoard) -> None:
    board.publish(routing(1))
    board.publish(routing(2, champion="new"))
    assert board.read("late_arrival") == routing(2, champion="new")
    assert board.models() == ("late_arrival",)


def test_models_are_listed_by_name_and_kept_apart(board: RoutingBoard) -> None:
    for model in ("b.v2", "a"):
        board.publish(routing(1, model=model))
    board.publish(routing(5, model="a"))
    assert board.models() == ("a", "b.v2")
    assert board.read("b.v2") == routing(1, model="b.v2")


def test_a_reader_beside_a_writer_sees_whole_routings_that_never_go_back(board: RoutingBoard) -> None:
    board.publish(routing(0, champion="0" * 2000))
    done = threading.Event()

    def write() -> None:
        for revision in range(1, 150):
            board.publish(routing(revision, champion=f"{revision % 10}" * 2000))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not done.is_set():
        found = board.read("late_arrival")
        assert found is not None
        assert found.champion == f"{found.revision % 10}" * 2000
        seen.append(found.revision)
    writer.join()
    assert seen == sorted(seen)
    assert board.read("late_arrival") == routing(149, champion="9" * 2000)


def test_files_leave_nothing_half_written_behind(tmp_path: Path) -> None:
    board = RoutingFiles(tmp_path)
    for revision in range(3):
        board.publish(routing(revision))
    assert [path.name for path in tmp_path.iterdir()] == ["late_arrival.json"]


def test_a_damaged_file_is_an_error_that_says_so_and_no_routing(tmp_path: Path) -> None:
    board = RoutingFiles(tmp_path)
    board.publish(routing(1))
    path = tmp_path / "late_arrival.json"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match="Routing cannot be read"):
        board.read("late_arrival")


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        RoutingFiles(tmp_path / "file" / "routing").publish(routing(1))
