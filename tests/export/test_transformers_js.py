"""Padded bundles in transformers.js, from a folder and from a Hub, where node, npm and npm's registry are there."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, TokenClassifier
from torchless_export import export
from torchless_export.quality import Gates

Exported = tuple[Path, Path, Any]
Ask = Callable[..., list[list[float]]]
LENIENT = Gates(max_disagreement=1, max_score_error=1, max_accuracy_drop=1)
PROGRAM = """
import { env, pipeline } from "@huggingface/transformers";

const { settings, model, options, texts } = JSON.parse(process.argv[2]);  // `tags` is of this program alone
Object.assign(env, settings);
if (settings.tags) {
  const tag = await pipeline("token-classification", model, options);
  const tagged = await tag(texts, { ignore_labels: [] });
  console.log(JSON.stringify(tagged.map((text) => text.map(({ entity, score }) => [entity, score]))));
  process.exit(0);
}
const classify = await pipeline("text-classification", model, options);
const answers = await classify(texts, { top_k: null });
const labels = Object.values(classify.model.config.id2label);
console.log(JSON.stringify(answers.map(
  (row) => labels.map((name) => row.find(({ label }) => label === name).score))));
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Path]:
    """A folder in which node finds transformers.js."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here")
    with tempfile.TemporaryDirectory() as name:  # half a gigabyte, so not one of pytest's folders, which stay
        folder = Path(name)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        (folder / "classify.js").write_text(PROGRAM)
        quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--fetch-retries=0"]
        command = [npm, "install", *quietly, "@huggingface/transformers@4"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=180)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm cannot install transformers.js: {(error.stderr or b'').decode()[-200:]}")
        yield folder


@pytest.fixture
def ask(node: Path) -> Ask:
    """The scores of each text, in the order of the config's labels."""

    def ask(texts: list[str], model: str, settings: dict[str, Any], **options: Any) -> list[list[float]]:
        given = json.dumps({"settings": settings, "model": model, "options": options, "texts": texts})
        done = subprocess.run(
            ["node", "classify.js", given], cwd=node, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        answers: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
        return answers

    return ask


@pytest.fixture(scope="module", params=["bert", "roberta"])
def bundle(
    request: pytest.FixtureRequest, exported_random: Callable[[str], Exported], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    checkpoint, _, _ = exported_random(request.param)
    out = tmp_path_factory.mktemp("padded") / "bundle"
    export(checkpoint, out, graph="padded", gates=LENIENT)
    return out


@pytest.mark.parametrize(("dtype", "precision", "difference"), [("fp32", "fp32", 1e-4), ("q8", "int8", 0.02)])
def test_a_folder_answers_as_we_do(
    bundle: Path, ask: Ask, sentences: list[str], dtype: str, precision: str, difference: float
) -> None:
    folder = {"localModelPath": str(bundle.parent), "allowRemoteModels": False}
    scores = ask(sentences[:12], bundle.name, folder, dtype=dtype)
    expected = Classifier.load(bundle, precision=precision).scores(sentences[:12])
    np.testing.assert_allclose(scores, expected, atol=difference)


def test_a_hub_s_files_are_found_by_name(
    bundle: Path, ask: Ask, hub: Any, sentences: list[str], tmp_path: Path
) -> None:
    hub.add("someone/padded", bundle)
    remote = {"remoteHost": hub.url, "allowLocalModels": False, "cacheDir": str(tmp_path / "cache")}
    scores = ask(sentences[:12], "someone/padded", remote)
    np.testing.assert_allclose(scores, Classifier.load(bundle, precision="fp32").scores(sentences[:12]), atol=1e-4)
    assert {"onnx/model.onnx", "onnx/model.onnx_data", "config.json", "tokenizer.json"} <= set(hub.downloads())


def test_what_the_bundle_lacks_is_not_asked_for(checkpoint: Path, ask: Ask, tmp_path: Path) -> None:
    """Where one precision is there, config.json names it: in Node transformers.js would ask for fp32."""
    export(checkpoint, tmp_path / "bundle", graph="padded", precisions=["int8"], gates=LENIENT)
    scores = ask(["good"], "bundle", {"localModelPath": str(tmp_path), "allowRemoteModels": False})
    np.testing.assert_allclose(scores, Classifier.load(tmp_path / "bundle").scores(["good"]), atol=0.02)


def test_a_tagger_s_tokens_have_our_tags(
    exported_tagger: Callable[[str], Exported], ask: Ask, sentences: list[str], tmp_path: Path
) -> None:
    checkpoint, _, _ = exported_tagger("bert")
    export(checkpoint, tmp_path / "bundle", graph="padded", precisions=["fp32"])
    here: dict[str, Any] = {"localModelPath": str(tmp_path), "allowRemoteModels": False, "tags": True}
    # Read whole, and without unknown tokens, which transformers.js leaves out.
    texts = [text for text in sentences if len(text) < 60 and text.isascii()][:8]
    answers: Any = ask(texts, "bundle", here)
    tagger = TokenClassifier.load(tmp_path / "bundle")
    for text, tokens in zip(texts, answers, strict=True):
        expected = tagger.tag([text], aggregation="none", ignore_labels=[])[0]
        assert [tag for tag, _ in tokens] == [span.label for span in expected]
        np.testing.assert_allclose([score for _, score in tokens], [span.score for span in expected], atol=1e-4)
