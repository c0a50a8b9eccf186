"""Which texts an export takes, and how it reads labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchless import TextPair
from torchless.errors import InputError
from torchless_export import samples
from torchless_export.quality import decisions, score_error


def labels_file(folder: Path, *labels: str) -> Path:
    path = folder / "dev.tsv"
    path.write_text("sentence\tlabel\n" + "".join(f"text\t{label}\n" for label in labels))
    return path


def test_calibration_texts_are_spread_over_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("\n".join(map(str, range(3999))))
    sample = samples.calibration(tmp_path / "train.txt")
    places = [int(text) for text in sample.texts]
    assert len(places) == len(set(places)) == 2000
    assert (places[0], places[-1]) == (0, 3998)
    assert max(np.diff(places)) <= 2


def test_scales_and_judgement_share_texts_only_where_there_are_no_others(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("good\nbad\n")
    train, dev = tmp_path / "train.txt", samples.labelled(labels_file(tmp_path, "0"), ["no", "yes"])
    scales, judged = samples.for_int8(None, None)
    assert scales.texts == judged.texts
    assert "the same texts" in judged.name
    assert samples.for_int8(None, dev) == (scales, dev)
    assert samples.for_int8(train, dev)[1] is dev
    scales, judged = samples.for_int8(train, None)
    assert (scales.name, judged.name) == ("2 texts of train.txt", "the built-in sample")


def test_a_long_file_calibrates_with_as_many_rows_as_ever_and_the_others_are_compared(tmp_path: Path) -> None:
    rows = [f"row {number}" for number in range(2400)]
    (tmp_path / "train.txt").write_text("\n".join(rows))
    scales, judged = samples.for_int8(tmp_path / "train.txt", None)
    assert scales == samples.calibration(tmp_path / "train.txt")
    assert (len(scales.texts), judged.name) == (2000, "400 other texts of train.txt")
    assert sorted([*scales.texts, *judged.texts]) == sorted(rows)


def test_pairs_are_read_from_two_columns(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("premise\thypothesis\tlabel\na\tb\tyes\n\td\tno\n")
    where = samples.Columns("premise", "hypothesis")
    pairs = [TextPair("a", "b"), TextPair("", "d")]
    assert samples.calibration(tmp_path / "dev.tsv", where).texts == pairs
    dev = samples.labelled(tmp_path / "dev.tsv", ["no", "yes"], where)
    assert (dev.texts, dev.labels) == (pairs, [1, 0])
    assert samples.for_int8(tmp_path / "dev.tsv", dev, where)[1] is dev
    scales, judged = samples.for_int8(tmp_path / "dev.tsv", None, where)
    assert (scales.texts, judged.texts) == (pairs[:1], pairs[1:])
    assert judged.name == "1 other texts of dev.tsv"


def test_a_column_is_that_of_tables_and_lines_are_read_as_lines(tmp_path: Path) -> None:
    (tmp_path / "cal.txt").write_text("one\ntwo\n")
    (tmp_path / "dev.csv").write_text("body,label\na,0\n")
    where = samples.Columns("body")
    assert samples.calibration(tmp_path / "cal.txt", where).texts == ["one", "two"]
    assert samples.labelled(tmp_path / "dev.csv", ["no", "yes"], where).texts == ["a"]


def test_rows_with_several_labels_are_said_to_be_too_much(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 2: expected a label of 0, 1, got '0,1'\. Rows with several labels"):
        samples.labelled(labels_file(tmp_path, "1", "0,1"), ["a", "b"])


@pytest.mark.parametrize(
    ("model", "written", "expected"),
    [
        (["no", "yes"], ["yes", "no"], [1, 0]),
        (["no", "yes"], ["1", "0"], [1, 0]),
        (["no", "yes"], ["1.0", "0.0"], [1, 0]),
        (["1", "2", "3"], ["1", "3"], [0, 2]),  # 3 is no index, so these are names
        (["1", "2", "3"], ["0", "2"], [0, 2]),  # 0 is no name, so these are indices
        (["0", "1"], ["1", "0"], [1, 0]),  # both readings say the same
    ],
)
def test_labels_are_all_names_or_all_indices(
    tmp_path: Path, model: list[str], written: list[str], expected: list[int]
) -> None:
    assert samples.labelled(labels_file(tmp_path, *written), model).labels == expected


@pytest.mark.parametrize(
    ("model", "written", "complaint"),
    [
        (["no", "yes"], ["yes", "no", "1"], "row 3: expected a label of no, yes, got '1'"),
        (["no", "yes"], ["1", "0", "yes"], "row 3: expected a label of 0, 1, got 'yes'"),
        (["1", "0"], ["1", "0"], "the labels 0, 1 are names of labels and indices of others"),
        (["no", "yes"], ["perhaps"], "row 1: expected a label of no, yes, got 'perhaps'"),
    ],
)
def test_labels_that_could_be_either_are_refused(
    tmp_path: Path, model: list[str], written: list[str], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        samples.labelled(labels_file(tmp_path, *written), model)


def test_a_decision_is_what_the_activation_makes_of_logits() -> None:
    logits = np.array([[1, -2, 3], [-1, -2, -3]], np.float32)
    assert np.array_equal(decisions(logits, "softmax"), [[2], [0]])
    assert np.array_equal(decisions(logits, "sigmoid"), [[True, False, True], [False, False, False]])
    assert decisions(logits, "none") is None
    assert decisions(logits[:, :1], "sigmoid") is None


def test_a_score_error_is_a_share_of_the_spread() -> None:
    exact = np.array([[-2], [2]], np.float32)  # standard deviation 2
    assert score_error(exact, exact + 0.5) == pytest.approx(0.25)
    assert score_error(exact, exact) == 0
    assert score_error(exact[:1], exact[:1] + 1) == np.inf


@pytest.mark.parametrize("name", ["a\0.csv", "a\0.txt", "\ud800.jsonl"])
def test_a_name_that_no_file_can_have_is_no_traceback(tmp_path: Path, name: str) -> None:
    for read in (samples.calibration, lambda path: samples.labelled(path, ["a", "b"])):
        with pytest.raises(InputError, match="expected the name of a file"):
            read(tmp_path / name)
