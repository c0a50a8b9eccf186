"""How many functions stand between a caller and onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

import torchless
from torchless import Classifier, Encoder

HERE = str(Path(torchless.__file__).parent)
MOST = 5


@pytest.mark.parametrize(
    ("kind", "method"),
    [(Classifier, "predict"), (Classifier, "rank"), (Classifier, "scores"), (Classifier, "logits"), (Encoder, "embed")],
)
def test_a_lone_text_reaches_onnxruntime_through_five_functions(
    mini: Path, kind: type[Any], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, run, stacks = kind.load(mini), onnxruntime.InferenceSession.run, []

    def noted(session: Any, *arguments: Any) -> Any:
        frame, names = sys._getframe(1), []
        while frame is not None:
            if frame.f_code.co_filename.startswith(HERE):
                names.append(frame.f_code.co_name)
            frame = frame.f_back
        stacks.append(names[::-1])
        return run(session, *arguments)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", noted)
    getattr(model, method)(["What a delight"])
    (names,) = stacks
    assert names[0] == method
    assert len(names) <= MOST, names
