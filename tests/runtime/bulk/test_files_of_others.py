"""Files beside the output: those of a run are its own, and all others stay."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.kept import Kept, folder_of
from torchless.errors import InferenceError, InputError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Forty-five rows: five chunks; the last row has no answer."""
    path = tmp_path / "in.csv"
    path.write_text("id,text\n" + "".join(f"{row},text number {row}\n" for row in range(44)) + "44\n")
    return path


def test_a_file_in_the_place_of_the_errors_is_kept(score: Any, source: Path, tmp_path: Path) -> None:
    beside = tmp_path / "out.csv.errors.jsonl"
    beside.write_text("mine")
    with pytest.raises(InputError, match=r"out\.csv\.errors\.jsonl exists.*--overwrite"):
        score(source, tmp_path / "out.csv")
    assert beside.read_text() == "mine"
    assert not folder_of(tmp_path / "out.csv").exists()
    assert score(source, tmp_path / "out.csv", overwrite=True).errors == beside
    assert "expected 2 columns" in beside.read_text()


def test_a_list_of_errors_whose_output_was_removed_is_replaced(score: Any, source: Path, tmp_path: Path) -> None:
    done = score(source, tmp_path / "out.csv")
    assert done.errors is not None
    (tmp_path / "out.csv").unlink()
    source.write_text("id,text\n1,one\n")
    assert score(source, tmp_path / "out.csv").errors is None
    assert not done.errors.exists()


def test_a_folder_in_the_place_of_the_errors_is_refused_before_any_work(
    score: Any, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.csv.errors.jsonl").mkdir()
    with pytest.raises(InputError, match=r"expected a file at .*out\.csv\.errors\.jsonl, got a folder"):
        score(source, tmp_path / "out.csv", overwrite=True)


def test_errors_of_a_run_that_ended_before_its_last_step_are_its_own(
    score: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def fail(one: Path, other: Path) -> None:
        if Path(other).name == "out.csv":
            raise KeyboardInterrupt
        replace(one, other)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        score(source, tmp_path / "out.csv")
    monkeypatch.undo()
    assert (tmp_path / "out.csv.errors.jsonl").exists()
    assert score(source, tmp_path / "out.csv").kept == 45


def test_a_folder_of_somebody_else_in_the_place_of_the_chunks_is_refused(
    score: Any, source: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "out.csv")
    folder.mkdir()
    (folder / "thesis.rows").write_text("mine")
    with pytest.raises(InputError, match="holds other files already"):
        score(source, tmp_path / "out.csv")
    assert [path.name for path in folder.iterdir()] == ["thesis.rows"]


def test_an_empty_folder_in_the_place_of_the_chunks_is_taken(score: Any, source: Path, tmp_path: Path) -> None:
    folder_of(tmp_path / "out.csv").mkdir()
    assert score(source, tmp_path / "out.csv").totals.rows == 45
    assert not folder_of(tmp_path / "out.csv").exists()


@pytest.mark.parametrize("restart", [False, True])
def test_what_was_put_among_the_chunks_stays(
    failing: Any, score: Any, source: Path, tmp_path: Path, restart: bool
) -> None:
    folder = folder_of(tmp_path / "out.csv")
    with pytest.raises(InferenceError):
        score(source, tmp_path / "out.csv", failing)
    for name in ("notes.json", ".hidden"):
        (folder / name).write_text("mine")
    (folder / ".run.json.1a2b3c4d").write_text("what was being written when a process was killed")
    assert score(source, tmp_path / "out.csv", restart=restart).totals.rows == 45
    assert sorted(path.name for path in folder.iterdir()) == [".hidden", "notes.json"]


def test_a_run_that_has_ended_leaves_the_next_one_alone(tmp_path: Path) -> None:
    first = Kept(tmp_path / "out.csv")
    first.remove()
    second = Kept(tmp_path / "out.csv")
    first.leave()
    assert second.folder.exists()
    second.leave()
    assert not second.folder.exists()


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("name", ["", "*.csv", "**"])
def test_a_run_whose_output_lies_in_its_input_continues(failing: Any, score: Any, tmp_path: Path, name: str) -> None:
    output = tmp_path / "out.csv"
    with pytest.raises(InferenceError):
        score(tmp_path / name, output, failing)
    assert folder_of(output).exists()
    done = score(tmp_path / name, output)
    assert (done.kept > 0, done.totals.rows) == (True, 45)


@pytest.mark.usefixtures("source")
def test_an_output_that_is_there_is_no_input_that_is_left_out(score: Any, tmp_path: Path) -> None:
    """It may be somebody's rows, which nothing would hold any more."""
    (tmp_path / "out.csv").write_text("id,text\n1,mine\n")
    with pytest.raises(InputError, match="expected another file than the input"):
        score(tmp_path, tmp_path / "out.csv", overwrite=True)
    assert (tmp_path / "out.csv").read_text() == "id,text\n1,mine\n"


# Files of the input


def labelled(path: Path) -> list[str]:
    return [line.partition(",")[0] for line in path.read_text().splitlines()[1:]]


def test_hidden_folders_are_left_out_and_linked_ones_are_read(score: Any, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    hidden = [folder / name for name in (".ipynb_checkpoints", "_temporary", "x.unfinished", "lost+found")]
    for path in (*hidden, folder / "b", elsewhere / "deep"):
        path.mkdir(parents=True)
        (path / "a.csv").write_text(f"text\n{path.name}\n")
    (folder / "a.csv").write_text("text\nmine\n")
    (folder / "a latest").symlink_to(folder / "b")
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(folder)
    (elsewhere / "deep" / "circle").symlink_to(elsewhere)
    score(folder, tmp_path / "out.csv")
    assert labelled(tmp_path / "out.csv") == ["mine", "b", "deep"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "closed").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_text("text\na\n")
    (tmp_path / "in" / "closed").chmod(0)
    with pytest.raises(InputError, match="closed: Permission denied"):
        score(tmp_path / "in", tmp_path / "out.csv")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_an_output_that_is_replaced_hands_on_its_permissions(score: Any, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("private")
    output.chmod(0o600)
    score(source, output, overwrite=True)
    assert output.stat().st_mode & 0o777 == 0o600
    assert output.read_text().startswith("id,text,label")
