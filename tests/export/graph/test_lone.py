"""Graphs for one text alone, which a GPU can record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest

from torchless import Bundle
from torchless.bundle.manifest import TOKENIZER, GraphKind
from torchless.inputs.tokens import Tokenizer
from torchless.running.session import Session
from torchless_export import ExportReport
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS

Exported = tuple[Path, Path, ExportReport]


@pytest.fixture(scope="module", params=RANDOM_CHECKPOINTS)
def exported(request: pytest.FixtureRequest, exported_random: Callable[[str], Exported]) -> Exported:
    return exported_random(request.param)


@pytest.mark.parametrize("kind", ["encoder", "classifier"])
def test_a_graph_for_lone_texts_has_no_branch_and_answers_as_the_other_does(
    exported: Exported, kind: Literal["encoder", "classifier"], sentences: list[str]
) -> None:
    compare(Bundle.open(exported[1]), kind, sentences)


@pytest.mark.parametrize("name", ["bert", "modernbert", "deberta-v3"])
def test_a_tagger_s_graph_for_lone_texts_does_too(
    name: str, exported_tagger: Callable[[str], Exported], sentences: list[str]
) -> None:
    compare(Bundle.open(exported_tagger(name)[1]), "token_classifier", sentences)


def compare(bundle: Bundle, kind: GraphKind, sentences: list[str]) -> None:
    ordinary, lone = bundle.manifest.variants["fp16"].graphs(kind)
    if bundle.manifest.layout == "packed":
        assert ordinary
        assert lone
        assert not [node.op_type for node in onnx.load(bundle.path / lone).graph.node if node.op_type == "If"]
        batch = Tokenizer(bundle.path / TOKENIZER, bundle.manifest.max_tokens).encode(sentences[7:8])
        expected = Session(bundle.path / ordinary, device="cpu", threads=1).run(batch)
        session = Session(bundle.path / ordinary, device="cpu", threads=1, lone=bundle.path / lone)
        for _ in range(2):  # the second time with the first one's buffers
            answer = session.run(batch)
            np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-2)  # float16 is rounded in different places
