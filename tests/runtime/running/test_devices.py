"""Where a graph runs, and a clear error where it cannot."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from torchless import Classifier
from torchless.errors import DeviceError, InferenceError, InputError


def test_cuda_where_there_is_none_is_an_error_with_the_fix(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"needs CUDAExecutionProvider.*pip install \"onnxruntime-gpu\[cuda,cudnn\]"):
        Classifier.load(tiny, device="cuda")


def test_an_unknown_device_names_the_known_ones(tiny: Path) -> None:
    with pytest.raises(InputError, match="device: expected one of cpu, cuda, got 'tpu'"):
        Classifier.load(tiny, device="tpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -2, 1.5, 1 << 40, True])
def test_a_senseless_number_of_threads_is_refused(tiny: Path, threads: object) -> None:
    with pytest.raises(InputError, match="threads: expected a whole number from 1 to 1024"):
        Classifier.load(tiny, threads=threads)  # type: ignore[arg-type]


def test_weights_that_are_a_link_out_of_the_bundle_say_what_to_do(tiny_copy: Path) -> None:
    (tiny_copy / "weights.int8").rename(tiny_copy.parent / "elsewhere")
    (tiny_copy / "weights.int8").symlink_to("../elsewhere")
    with pytest.raises(InferenceError, match="Put the weights themselves beside it, not a link"):
        Classifier.load(tiny_copy)
