from __future__ import annotations

import pickle

import pytest

from torchless_export import errors
from torchless_export.reports import ParityReport, QualityReport

PARITY = ParityReport(3, 0, 2, 9, True, 1e-3, None, 0.9, "torch")
QUALITY = QualityReport(
    calibration="a",
    texts=3,
    compared_on="b",
    disagreement=0.5,
    score_error=None,
    max_logit_difference=1.0,
    min_embedding_cosine=0.9,
    neighbour_texts=3,
    neighbour_max_score_difference=0.0,
    neighbour_labels_changed=0,
)
EXAMPLES = [
    errors.ExportError("what"),
    errors.CheckpointError("what"),
    errors.UnsupportedModelError("what"),
    errors.SettingError("what"),
    errors.GraphChoiceError("what"),
    errors.ScratchError("what"),
    errors.GateError("what"),
    errors.ParityError(PARITY, ["a", "b"]),
    errors.QualityError("int8", QUALITY, ["a", "b"]),
]


def test_what_another_library_says_is_on_one_line_and_moves_no_terminal() -> None:
    found = errors.one_line(ValueError("a\n\x1b[2Jb \x00" + "c" * 10_000_000))
    assert found.startswith("a \\x1b[2Jb \\x00ccc")
    assert len(found) < 600


def test_a_message_has_an_end_however_long_a_checkpoint_s_names_are() -> None:
    assert len(str(errors.CheckpointError("x" * 10_000_000))) == 4000


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_crosses_from_one_process_to_another(error: errors.ExportError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)


def test_every_error_has_an_example_here() -> None:
    named = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ExportError)}
    assert named == {type(error) for error in EXAMPLES}


def test_another_library_s_error_becomes_one_line_that_can_be_read() -> None:
    assert errors.one_line(ValueError("Couldn't instantiate the backend:\n(1) one\n  (2) two")) == (
        "Couldn't instantiate the backend: (1) one (2) two"
    )
    assert len(errors.one_line(ValueError("x" * 10_000))) == 500
