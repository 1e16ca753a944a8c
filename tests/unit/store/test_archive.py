"""An archive is believed only as far as its digests go."""

import zipfile
from pathlib import Path

import pytest

from lockgate.errors import StoreError
from lockgate.records import ModelSpec
from lockgate.records.archive import Archive
from lockgate.store import archive


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "v1"
    (folder / "native").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "native" / "model.txt").write_text("tree\n" * 100)
    files = archive.files_of({"versions/v1": folder})
    made = Archive(model="m", spec=ModelSpec(target="y"), versions=(), verdicts=(), files=archive.digests(files))
    archive.pack(made, files, tmp_path / "one.lockgate")
    return tmp_path / "one.lockgate"


def rewritten(source: Path, target: Path, change) -> Path:
    with zipfile.ZipFile(source) as held, zipfile.ZipFile(target, "w") as made:
        for name, body in change({name: held.read(name) for name in held.namelist()}).items():
            made.writestr(name, body)
    return target


def test_what_was_packed_is_laid_out_again(packed, tmp_path):
    found = archive.unpack(packed, tmp_path / "out")
    assert sorted(found.files) == ["versions/v1/manifest.json", "versions/v1/native/model.txt"]
    assert (tmp_path / "out/versions/v1/native/model.txt").read_text() == "tree\n" * 100


def test_the_same_versions_give_the_same_archive(packed, tmp_path):
    (tmp_path / "again").mkdir()
    files = archive.files_of({"versions/v1": tmp_path / "v1"})
    made = Archive(model="m", spec=ModelSpec(target="y"), versions=(), verdicts=(), files=archive.digests(files))
    archive.pack(made, files, tmp_path / "again" / "two.lockgate")
    assert packed.read_bytes() == (tmp_path / "again" / "two.lockgate").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held | {"versions/v1/manifest.json": b"{ }"}, "holds another versions/v1/manifest.json"),
        (lambda held: held | {"versions/v1/more.py": b"print()"}, "holds versions/v1/more.py, which its index"),
        (lambda held: {n: b for n, b in held.items() if "model.txt" not in n}, "lacks versions/v1/native/model.txt"),
        (lambda held: held | {"archive.json": b"{}"}, "cannot be read"),
    ],
)
def test_a_changed_archive_is_refused_by_the_name_of_the_file(packed, tmp_path, change, said):
    with pytest.raises(StoreError, match=said):
        archive.unpack(rewritten(packed, tmp_path / "bad", change), tmp_path / "out")


def test_a_place_outside_the_archive_is_refused(packed, tmp_path):
    def escape(held):
        index = held["archive.json"].replace(b"versions/v1/manifest.json", b"../../outside.json")
        return {"archive.json": index, "../../outside.json": b"{}", "versions/v1/native/model.txt": b"tree\n" * 100}

    with pytest.raises(StoreError, match="outside itself"):
        archive.unpack(rewritten(packed, tmp_path / "bad", escape), tmp_path / "deep" / "out")
    assert not (tmp_path / "outside.json").exists()


def test_a_file_cut_short_is_no_archive(packed, tmp_path):
    (tmp_path / "short").write_bytes(packed.read_bytes()[:-40])
    assert not archive.is_archive(tmp_path / "short")
    with pytest.raises(StoreError, match="cannot be read"):
        archive.unpack(tmp_path / "short", tmp_path / "out")
