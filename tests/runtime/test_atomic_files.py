"""Files appear whole or not at all, and go where links and pipes lead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from torchless.atomic_files import replacing, umask
from torchless.errors import OutputError

Run = Callable[..., tuple[int, str, str]]


def test_output_appears_whole_or_not_at_all(tiny: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out.jsonl"
    assert run("predict", tiny, "good", "--json", "--output", out)[0] == 0
    before = out.read_text()
    assert json.loads(before)["text"] == "good"
    (tmp_path / "in.txt").write_bytes(b"fine\n" * 2000 + b"\xff\n")  # fails in its second chunk
    code, _, err = run("predict", tiny, "--input", tmp_path / "in.txt", "--json", "--output", out)
    assert code == 2
    assert "line 2001" in err
    assert out.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]


def test_output_goes_through_a_link_and_leaves_the_link(tiny: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.txt").write_text("old")
    (tmp_path / "link").symlink_to("real/out.txt")
    assert run("predict", tiny, "good", "--json", "--output", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "real" / "out.txt").read_text())["text"] == "good"


@pytest.mark.parametrize(("command", "name"), [("predict", "out"), ("embed", "out.npy")])
def test_output_into_a_pipe_is_written_through_it(tiny: Path, tmp_path: Path, command: str, name: str) -> None:
    os.mkfifo(tmp_path / name)
    arguments = [sys.executable, "-m", "torchless", command, str(tiny), "good", "--output", str(tmp_path / name)]
    with subprocess.Popen(arguments) as process:
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\x93NUMPY") if command == "embed" else data.endswith(b"\tgood\n")
        assert process.wait(timeout=30) == 0
    assert (tmp_path / name).is_fifo()


@pytest.mark.parametrize(("command", "name"), [("predict", "out.txt"), ("embed", "out.npy")])
def test_a_full_disk_is_named_and_leaves_nothing_behind(tiny: Path, tmp_path: Path, command: str, name: str) -> None:
    code = (
        "import resource, sys; from torchless.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "in.txt").write_text("good\n" * 50)
    arguments = [command, str(tiny), "--input", str(tmp_path / "in.txt"), "--output", str(tmp_path / name)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"cannot write {tmp_path / name}: File too large. Nothing was changed there." in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_a_file_is_there_when_the_block_has_ended_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with replacing(path) as file:
        assert file.write(b"new ") == 4
        assert file.write(memoryview(b"content")) == 7
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_leaves_what_stood_there_alone(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_signal_right_after_the_file_was_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, mode: str) -> None:
        FileIO(path, mode).close()
        raise KeyboardInterrupt

    monkeypatch.setattr("torchless.atomic_files.FileIO", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "out"):
            pass
        assert umask() == os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


def test_a_file_can_be_gone_back_in(tmp_path: Path) -> None:
    with replacing(tmp_path / "out") as file:  # as zipfile does
        file.write(b"abcdef")
        file.seek(2)
        file.write(b"X")
        assert file.tell() == 3
    assert (tmp_path / "out").read_bytes() == b"abXdef"


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "out"
    with pytest.raises(OutputError, match=r"cannot write .*nowhere/out: No such file") as caught, replacing(path):
        raise AssertionError("the block does not begin")
    assert caught.value.filename == str(path)


def test_a_relative_path_in_a_working_directory_that_is_gone_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(OutputError, match="cannot write out: No such file"), replacing(Path("out")):
        raise AssertionError("the block does not begin")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_a_file_that_is_replaced_hands_on_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"private")
    path.chmod(0o600)
    with replacing(path) as file:
        file.write(b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="the system has no /dev/stdout")
def test_the_name_of_a_pipe_that_has_no_real_path_is_written_through(tiny: Path) -> None:
    command = [sys.executable, "-m", "torchless", "predict", str(tiny), "good", "--output", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"\tgood\n")
