"""Data in an object store are read as from a disk, and copied once."""

import shutil
import time
from pathlib import Path

import pytest
from s3_server import running

from study.config import Data
from study.data import read_splits
from study.data.presets import ensure_drawn
from study.errors import UserError
from study.files import open_folder
from study.mirror import nearby, provide


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return ensure_drawn("tiny", tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def server(drawn):
    with running("bucket") as server:
        root = open_folder(server.uri) / "mot" / "train"
        for file in (path for path in drawn.rglob("*") if path.is_file()):
            folder = root
            for part in file.parent.relative_to(drawn).parts:
                folder /= part
            folder.write(file.name, file.read_bytes())
        yield server


def test_sequences_of_a_bucket_are_copied_once_and_are_the_same_data(server, drawn, tmp_path):
    names = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    train, val, *others = names
    address = server.uri.replace("?", "/mot/train?")
    data = Data(root=address, train=(train,), val=(f"{val}[1-]",))
    local = nearby(data, tmp_path)
    here = read_splits(local, tmp_path)
    assert here.data_hash == read_splits(data.model_copy(update={"root": str(drawn)}), tmp_path).data_hash
    assert others
    assert not list((tmp_path / local.root / others[0]).iterdir())
    server.requests.clear()
    assert nearby(data, tmp_path) == local
    assert server.requests["GET"] <= 2 + 2 * len(names)  # lists, no files
    assert "secret" not in local.root


def test_what_changed_in_the_bucket_changes_here(server, drawn, tmp_path):
    train, val, *_ = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    data = Data(root=server.uri.replace("?", "/mot/train?"), train=(train,), val=(val,))
    folder = tmp_path / nearby(data, tmp_path).root / train
    bucket = open_folder(server.uri) / "mot" / "train" / train
    text = (folder / "gt" / "gt.txt").read_bytes()
    first, *_ = sorted(path.name for path in (folder / "img1").iterdir())
    time.sleep(1.1)  # the server's clock has seconds
    (bucket / "gt").write("gt.txt", text[::-1])
    (bucket / "img1").delete(first)
    nearby(data, tmp_path)
    assert (folder / "gt" / "gt.txt").read_bytes() == text[::-1]
    assert not (folder / "img1" / first).exists()


@pytest.mark.parametrize("name", ["../../../../evil", "/evil"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name, server, drawn, tmp_path):
    train, val, *_ = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    key = f"mot/train/{train}/{name}"
    server.client.put_object(Bucket="bucket", Key=key, Body=b"x")
    with pytest.raises(UserError, match=r"evil: no name for a file; remove it"):
        nearby(Data(root=server.uri.replace("?", "/mot/train?"), train=(train,), val=(val,)), tmp_path / "cache")
    assert not list(tmp_path.rglob("evil"))


def test_a_machine_without_the_copy_makes_one_in_the_same_place(server, drawn, tmp_path):
    train, val, *_ = sorted(path.name for path in drawn.iterdir() if path.is_dir())
    data = Data(root=server.uri.replace("?", "/mot/train?"), train=(train,), val=(val,))
    cache = tmp_path / "cache"
    folder = Path(read_splits(nearby(data, cache), cache).train[0].sequence.folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree(cache)
    provide(data, cache)
    assert before
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_that_is_not_there_is_told(server, tmp_path):
    with pytest.raises(UserError, match=r"s3://none: no such bucket"):
        nearby(Data(root=server.uri.replace("@bucket", "@none"), train=("a",), val=("b",)), tmp_path)
    empty = nearby(Data(root=server.uri.replace("?", "/nothing?"), train=("a",), val=("b",)), tmp_path)
    with pytest.raises(UserError, match=r"no folder in it"):
        read_splits(empty, tmp_path)


def test_other_roots_are_left_alone(tmp_path):
    for root in (None, "synthetic:tiny", str(tmp_path)):
        assert nearby(Data(root=root), tmp_path) == Data(root=root)
