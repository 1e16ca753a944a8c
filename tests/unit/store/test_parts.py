"""Parts become one table in one step, and whoever begins again goes on where the last process was."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from lockgate.errors import Conflict, SpecError, StoreError
from lockgate.store.parts import Job, Parts, held
from lockgate.store.stretches import Identity

JOB = Job(
    source=Identity(path="/data/in.parquet", digest="d1"),
    model="late",
    prefix="in-d1",
    rows_at_once=3,
    separator=None,
    decimal_comma=False,
    asked_s=1.0,
    began_s=2.0,
)


def part(first: int, rows: int = 3) -> pl.DataFrame:
    numbers = range(first, first + rows)
    return pl.DataFrame(
        {
            "id": [f"in-d1-{n}" if n != 4 else None for n in numbers],
            "value": [n / 8 if n != 4 else None for n in numbers],
            "version": ["v" if n != 4 else None for n in numbers],
            "served_by": [("w" if n == 5 else "v") if n != 4 else None for n in numbers],
            "flags": [["a: below range", "b: unseen level"] if n == 1 else [] for n in numbers],
            "refused": ["x: missing" if n == 4 else None for n in numbers],
        },
        schema_overrides={"refused": pl.String, "flags": pl.List(pl.String)},
    )


WHOLE = pl.concat([part(0), part(3), part(6, 1)])


def begun(out: Path, job: Job = JOB, *, again: bool = False) -> Any:
    return held(out, lambda _: job, is_again=again)


def read(out: Path) -> pl.DataFrame:
    if out.is_dir():
        return pl.read_delta(str(out))
    return pl.read_parquet(out) if out.suffix == ".parquet" else pl.read_csv(out)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out"])
def test_the_parts_become_one_table_in_order_and_go(tmp_path: Path, name: str) -> None:
    with begun(tmp_path / name) as parts:
        for number, rows in enumerate((part(0), part(3), part(6, 1))):
            parts.write(number, rows)
        assert not (tmp_path / name).exists(), "there is no OUT before the end"
        totals = parts.finish()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (totals.rows, totals.refused, totals.fallbacks) == (7, {"x: missing": 1}, 1)
    found = read(tmp_path / name)
    assert found["id"].to_list() == WHOLE["id"].to_list()
    assert found["value"].to_list() == WHOLE["value"].to_list()
    if name.endswith("csv"):
        assert found["flags"][1] == "a: below range; b: unseen level"
    else:
        assert found["flags"].to_list() == WHOLE["flags"].to_list()


def test_a_delta_table_has_one_version_whose_files_are_the_parts(tmp_path: Path) -> None:
    from deltalake import DeltaTable

    with begun(tmp_path / "out") as parts:
        parts.write(0, part(0))
        parts.write(1, part(3))
        parts.finish()
    table = DeltaTable(tmp_path / "out")
    assert (table.version(), len(table.file_uris())) == (1, 2)
    part(6).drop("refused").with_columns(refused=pl.lit(None, pl.String)).write_delta(
        str(tmp_path / "out"), mode="append"
    )
    assert read(tmp_path / "out").height == 9, "others may go on with it"


def test_who_begins_again_goes_on_behind_the_last_whole_part(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with begun(out) as parts:
        assert (parts.done, parts.is_resumed) == (0, False)
        parts.write(0, part(0))
        parts.write(1, part(3))
    (tmp_path / "out.parquet.parts" / ".2.new").write_bytes(b"half a part")
    later = msgspec.structs.replace(JOB, asked_s=50.0, began_s=60.0)
    with begun(out, later) as parts:
        assert (parts.done, parts.is_resumed) == (2, True)
        assert (parts.job.asked_s, parts.job.began_s) == (1.0, 2.0), "the job is the one that was begun"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": Identity(path="/data/in.parquet", digest="d2")}, "/data/in.parquet has changed since"),
        ({"source": Identity(path="/data/other.csv", digest="d2")}, "/data/other.csv is another table"),
        ({"rows_at_once": 4}, "rows at once was 3, and is 4"),
        ({"model": "early"}, "model was late, and is early"),
        ({"prefix": "p"}, "prefix was in-d1, and is p"),
    ],
)
def test_what_was_begun_otherwise_is_refused_by_name_and_begun_anew_where_asked(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    out, other = tmp_path / "out.parquet", msgspec.structs.replace(JOB, **changed)
    with begun(out) as parts:
        parts.write(0, part(0))
    with pytest.raises(Conflict, match=f"was begun otherwise: {said}.*--again"), begun(out, other):
        pytest.fail("it was begun")
    with begun(out) as parts:
        assert parts.done == 1, "nothing was lost by asking"
    with begun(out, other, again=True) as parts:
        assert (parts.done, parts.is_resumed, parts.job.model) == (0, False, other.model)


def test_a_job_of_which_nothing_is_done_gives_way_to_another(tmp_path: Path) -> None:
    with begun(tmp_path / "out.parquet"):
        pass
    with begun(tmp_path / "out.parquet", msgspec.structs.replace(JOB, rows_at_once=9)) as parts:
        assert parts.job.rows_at_once == 9


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_an_out_that_is_there_is_refused_and_replaced_where_asked(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    with begun(out) as parts:
        parts.write(0, part(0))
        parts.finish()
    with pytest.raises(Conflict, match=r"is there already.*--again"), begun(out):
        pytest.fail("it was begun")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    replacing = msgspec.structs.replace(JOB, is_again=True)
    with begun(out, replacing, again=True) as parts:
        parts.write(0, part(6))
        assert read(out)["id"][0] == "in-d1-0", "the old one stays to the end"
        parts.finish()
    assert read(out)["id"].to_list() == part(6)["id"].to_list()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_out_that_came_about_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with begun(out) as parts:
        parts.write(0, part(0))
        out.write_text("somebody else's")
        with pytest.raises(Conflict, match="has come about meanwhile"):
            parts.finish()
    assert out.read_text() == "somebody else's"
    out.unlink()
    with begun(out) as parts:
        assert parts.finish().rows == 3


class Killed(BaseException):
    """In place of a kill, where no line after it runs."""


@pytest.mark.parametrize("name", ["out.parquet", "out"])
@pytest.mark.parametrize("is_again", [False, True])
@pytest.mark.parametrize("step", ["join", "aside", "reveal", "clean"])
def test_an_end_that_was_cut_off_anywhere_is_made_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_again: bool, step: str
) -> None:
    out, job = tmp_path / name, msgspec.structs.replace(JOB, is_again=is_again)
    if is_again:
        with begun(out) as parts:
            parts.write(0, part(6))
            parts.finish()

    def cut(*_: Any, **__: Any) -> None:
        raise Killed

    is_cut = step != "aside" or (is_again and name == "out")  # a folder steps aside only where there is one
    with pytest.raises(Killed) if is_cut else ExitStack(), begun(out, job, again=is_again) as parts:
        parts.write(0, part(0))
        parts.write(1, part(3))
        with monkeypatch.context() as patch:
            where, what = {
                "join": (Parts, "_put"),
                "aside": (Path, "rename"),
                "reveal": (Path, "replace"),
                "clean": (shutil, "rmtree"),
            }[step]
            if step == "reveal":
                replace = Path.replace
                patch.setattr(where, what, lambda own, to: cut() if own.name == "whole" else replace(own, to))
            else:
                patch.setattr(where, what, cut)
            parts.finish()
    if (tmp_path / f"{name}.parts" / "job.json").exists():
        with begun(out, job) as parts:
            assert (parts.done, parts.finish().rows) == (2, 6)
    assert read(out)["id"].to_list() == WHOLE["id"].to_list()[:6]


def hold(out: Path, told: Any) -> None:
    with begun(out):
        told.set()
        told.wait(60)
        multiprocessing.Event().wait(60)


def test_a_second_process_is_refused_while_the_first_holds_it_and_not_after(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    context = multiprocessing.get_context("spawn")
    told = context.Event()
    first = context.Process(target=hold, args=(out, told))
    first.start()
    try:
        assert told.wait(60)
        with pytest.raises(Conflict, match="Another process is scoring into"), begun(out):
            pytest.fail("two held it")
    finally:
        first.kill()
        first.join()
    with begun(out) as parts:
        assert parts.is_resumed


def test_a_name_that_says_no_kind_and_a_folder_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for name in ("out.xlsx", "out.parquet.gz"):
        with pytest.raises(SpecError, match="is no name for a scored table"), begun(tmp_path / name):
            pytest.fail("it was begun")
    with pytest.raises(SpecError, match="There is no folder"), begun(tmp_path / "nowhere" / "out.csv"):
        pytest.fail("it was begun")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system with room for half a MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_named_with_the_cure_and_what_is_done_stays(small_disk: Path) -> None:
    out = small_disk / "out.parquet"
    with begun(out) as parts:
        parts.write(0, part(0))
        (small_disk / "ballast").write_bytes(b"0" * shutil.disk_usage(small_disk).free)
        with pytest.raises(StoreError, match=r"out.parquet cannot be written: .*[Nn]o space.*1 parts? .*stay"):
            parts.write(1, part(3))
        with pytest.raises(StoreError, match=r"[Nn]o space"):
            parts.finish()
    assert not out.exists()
    (small_disk / "ballast").unlink()
    with begun(out) as parts:
        assert parts.done == 1
        parts.write(1, part(3))
        assert parts.finish().rows == 6
    assert read(out)["id"].to_list() == WHOLE["id"].to_list()[:6]
