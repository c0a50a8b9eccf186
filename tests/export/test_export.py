"""From a checkpoint to a bundle that is proven to be the model."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from torchless import Bundle, Classifier, Encoder, verify
from torchless.bundle.manifest import GraphKind
from torchless.cli import main
from torchless.errors import InputError, OutputError
from torchless_export import ExportReport, export
from torchless_export.errors import CheckpointError, ParityError, QualityError
from torchless_export.quality import Gates

LENIENT_FLAGS = ["--max-disagreement=1", "--max-score-error=1"]
LENIENT = Gates(max_disagreement=1, max_accuracy_drop=1, max_score_error=1, min_embedding_cosine=0)


@pytest.fixture(scope="module")
def exported(exported_random: Callable[[str], tuple[Path, Path, ExportReport]]) -> tuple[Path, ExportReport]:
    """What the checkpoint makes."""
    _, bundle, report = exported_random("distilbert")
    return bundle, report


@pytest.fixture(scope="module")
def bundle(exported: tuple[Path, ExportReport]) -> Path:
    return exported[0]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_logits_and_hidden_states_are_those_of_pytorch(checkpoint: Path, bundle: Path, sentences: list[str]) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    texts = sentences[:40]
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        outputs = model(inputs["input_ids"], inputs["attention_mask"], output_hidden_states=True)
    np.testing.assert_allclose(Classifier.load(bundle, precision="fp32").logits(texts), outputs.logits, atol=1e-5)
    hidden, mask = Encoder.load(bundle, precision="fp32").padded(texts)
    np.testing.assert_array_equal(mask, inputs["attention_mask"])
    expected = outputs.hidden_states[-1] * inputs["attention_mask"][..., None]
    np.testing.assert_allclose(hidden, expected, atol=1e-4)


def test_the_report_is_in_the_manifest_and_on_the_card(exported: tuple[Path, ExportReport]) -> None:
    bundle, report = exported
    quality = Bundle.open(bundle).manifest.quality
    assert quality == json.loads(json.dumps(report.figures()))
    assert report.parity.token_ids_equal
    assert report.parity.longest_tokens == 64
    assert f"{report.parity.max_logit_difference:.1e}" in (bundle / "README.md").read_text()


def test_every_file_is_in_the_manifest_and_verifies(bundle: Path) -> None:
    listed = set(Bundle.open(bundle).manifest.files)
    assert {path.name for path in bundle.iterdir()} == {*listed, "manifest.json"}
    assert [replay.precision for replay in verify(bundle)] == ["fp32", "fp16", "int8"]


def test_all_graphs_of_a_precision_share_one_weights_file(bundle: Path) -> None:
    for precision, variant in Bundle.open(bundle).manifest.variants.items():
        graphs = [name for name in variant.files if name.endswith(".onnx")]
        assert len(graphs) == (4 if precision == "fp16" else 2)
        assert all((bundle / name).stat().st_size < 64_000 for name in graphs)


@pytest.mark.usefixtures("comparing_few")
def test_an_export_is_reproducible(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "again", precisions=["fp32", "fp16", "int8"], gates=LENIENT)
    assert snapshot(tmp_path / "again") == snapshot(bundle)


def test_int8_alone_leaves_no_fp32_behind(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "out", precisions=["int8"], gates=LENIENT)
    assert not [path.name for path in (tmp_path / "out").iterdir() if "fp32" in path.name]
    assert Classifier.load(tmp_path / "out").precision == "int8"


def test_fp32_alone_is_the_default_to_load(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "out", precisions=["fp32"])
    assert not report.quality
    assert Classifier.load(tmp_path / "out").precision == "fp32"


def test_accuracy_is_measured_on_a_labelled_file(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    texts = ["good film", "bad film", "the end", "so it goes"]
    labels = [p.label for p in Classifier.load(bundle, precision="fp32").predict(texts)]
    labels[3] = next(name for name in ("negative", "neutral") if name != labels[3])  # one of four is wrong
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\n" + "".join(map("{}\t{}\n".format, texts, labels)))
    report = export(checkpoint, tmp_path / "out", evaluate=tmp_path / "dev.tsv", gates=LENIENT)
    assert report.accuracy is not None
    assert (report.accuracy.texts, report.accuracy.torch, report.accuracy.fp32) == (4, 0.75, 0.75)


def test_an_encoder_alone_leaves_the_head_out(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "out", encoder_only=True, precisions=["fp32"])
    assert Bundle.open(tmp_path / "out").manifest.labels == ()
    assert not list((tmp_path / "out").glob("classifier*"))
    expected = Encoder.load(bundle, precision="fp32").embed(["x"])
    np.testing.assert_array_equal(Encoder.load(tmp_path / "out").embed(["x"]), expected)


def test_a_quality_gate_that_fails_leaves_an_older_bundle_alone(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(bundle, tmp_path / "out"))
    before = snapshot(out)
    with pytest.raises(QualityError, match=r"cosine with fp32 of 0.*expected 1 or more") as caught:
        export(checkpoint, out, precisions=["fp32", "int8"], gates=replace(LENIENT, min_embedding_cosine=1))
    assert caught.value.report.texts > 100
    assert snapshot(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_graph_that_is_not_the_model_fails_parity(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchless_export import families

    right = families.FAMILIES["distilbert"]

    def wrong(config: Any, tensors: Any, kind: GraphKind) -> Any:
        return replace(right(config, tensors, kind), activation="relu")

    monkeypatch.setitem(families.FAMILIES, "distilbert", wrong)
    with pytest.raises(ParityError, match="hidden states differ by") as caught:
        export(checkpoint, tmp_path / "out")
    assert caught.value.report.token_ids_equal
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_is_replaced_whole(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(bundle, tmp_path / "out"))
    assert list(out.glob("*int8*"))
    export(checkpoint, out, precisions=["fp32"])
    assert not list(out.glob("*int8*"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_not_overwritten(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"neither empty nor a bundle and nothing else: it holds thesis\.txt"):
        export(checkpoint, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("out", ["/proc/nowhere/bundle", "/dev/null/bundle"])
def test_a_place_that_cannot_be_written_is_named(checkpoint: Path, out: str) -> None:
    with pytest.raises(OutputError, match=f"cannot write {out}"):
        export(checkpoint, out)


def test_a_full_disk_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A limit on file size fails a write halfway, as a full disk does.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        code = main(["export", str(checkpoint), str(tmp_path / "out"), "--precision", "fp32"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert f"cannot write {tmp_path / 'out'}: File too large. Nothing was changed there." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("precisions", [[], ["fp64"], "fp32"])
def test_senseless_precisions_are_refused(checkpoint: Path, tmp_path: Path, precisions: Any) -> None:
    with pytest.raises(InputError, match="precisions: expected some of fp32, fp16, int8"):
        export(checkpoint, tmp_path / "out", precisions=precisions)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("sentence\tlabel\n", "expected labelled texts, got none"),
        ("sentence\tlabel\ngood\tperfect\n", "row 1: expected a label of negative, neutral, positive, got 'perfect'"),
        ("sentence\ngood\n", "expected a column label, got sentence"),
    ],
)
def test_a_bad_labelled_file_is_named(checkpoint: Path, tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "dev.tsv").write_text(content)
    with pytest.raises(InputError, match=complaint):
        export(checkpoint, tmp_path / "out", evaluate=tmp_path / "dev.tsv")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_what_it_found(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["export", str(checkpoint), str(tmp_path / "out"), *LENIENT_FLAGS])
    out, err = capsys.readouterr()
    assert code == 0
    assert "a bundle of fp32 and int8\n" in out
    assert "fp32 against PyTorch: logits within" in out
    assert "int8 against fp32: " in out
    assert "comparing" not in err  # progress is for terminals


def test_progress_is_shown_on_a_terminal(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main(["export", str(checkpoint), str(tmp_path / "out"), "--precision", "fp32,fp32"])
    assert "comparing them with PyTorch …" in capsys.readouterr().err
    assert list(Bundle.open(tmp_path / "out").manifest.variants) == ["fp32"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--max-disagreement", "nan"),
        ("--max-disagreement", "-1"),
        ("--max-disagreement", "inf"),
        ("--max-accuracy-drop", "2"),
        ("--min-embedding-cosine", "x"),
        ("--max-difference", "0"),
        ("--max-difference", "inf"),
        ("--precision", "fp32,fp64"),
        ("--precision", ""),
    ],
)
def test_a_gate_that_would_gate_nothing_is_wrong_usage(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["export", "checkpoint", "out", f"{option}={value}"])
    assert caught.value.code == 2
    assert f"argument {option}: expected" in capsys.readouterr().err


def test_the_command_says_what_is_missing(checkpoint: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['onnx'] = None; from torchless.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "export", str(checkpoint), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    advice = "pip install 'torchless[export]' (from a clone: pip install '.[export]')"
    assert f"torchless export needs onnx: {advice}" in done.stderr


def test_the_function_is_not_hidden_behind_a_module_of_its_name() -> None:
    modules = "torchless_bench.architectures, torchless_export.parity_table"
    code = f"import {modules}; from torchless_export import ExportReport, export; export.__code__"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_the_parity_gate_can_be_moved(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="allowed 1e-12") as caught:
        export(checkpoint, tmp_path / "out", precisions=["fp32"], gates=Gates(max_difference=1e-12))
    assert caught.value.report.max_hidden_difference is not None


def test_what_was_never_compared_has_no_figure(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchless_export.reference import Reference

    monkeypatch.setattr(Reference, "input_ids", lambda _, texts: [[0]] * len(texts))
    with pytest.raises(ParityError, match="token ids differ") as caught:
        export(checkpoint, tmp_path / "out", precisions=["fp32"])
    report = caught.value.report
    assert (report.max_hidden_difference, report.max_logit_difference, report.min_embedding_cosine) == (None,) * 3


def test_without_files_the_card_says_that_int8_was_judged_on_the_texts_that_calibrated_it(
    exported: tuple[Path, ExportReport],
) -> None:
    bundle, report = exported
    assert "int8" in report.quality
    assert report.quality["int8"].compared_on == "the built-in sample, the same texts that calibrated"
    assert "(the built-in sample, the same texts that calibrated)" in (bundle / "README.md").read_text()


def test_golden_answers_hold_rare_words_and_stay_small(bundle: Path) -> None:
    golden = json.loads((bundle / "golden.json").read_bytes())
    assert len(golden["texts"]) == len(golden["input_ids"]) == 27
    assert "" in golden["texts"]
    assert len(golden["variants"]["int8"]["embeddings"]) == 12
    assert golden["variants"]["int8"]["min_cosine"] == 0.99
    assert (bundle / "golden.json").stat().st_size < 50_000


def test_accuracy_of_fp32_alone_is_on_the_card(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\ngood\tneutral\nbad\tnegative\n")
    report = export(checkpoint, tmp_path / "out", precisions=["fp32"], evaluate=tmp_path / "dev.tsv")
    assert report.accuracy is not None
    card = (tmp_path / "out" / "README.md").read_text()
    assert "## Accuracy\n\nOn 2 labelled texts (dev.tsv)." in card
    assert f"| fp32 | {report.accuracy.fp32:.2%} |" in card
    assert "int8" not in card


def test_labels_that_are_the_same_are_refused(configure: Callable[..., None], broken: Path, tmp_path: Path) -> None:
    configure(id2label={"0": "a", "1": "b", "2": "a"})
    with pytest.raises(CheckpointError, match="id2label: expected labels that differ, got 'a' more than once"):
        export(broken, tmp_path / "out")


@pytest.mark.parametrize("problem", ["regression", None])  # scores as they are, or through a sigmoid
def test_a_head_that_answers_a_number_is_judged_by_its_scores(
    one_column: Path, configure: Callable[..., None], tmp_path: Path, problem: str | None
) -> None:
    configure(problem_type=problem)
    report = export(one_column, tmp_path / "out", gates=LENIENT)
    assert "int8" in report.quality
    assert report.quality["int8"].disagreement is None
    assert report.quality["int8"].score_error is not None
    assert 0 < report.quality["int8"].score_error < 0.5
    assert f"{report.quality['int8'].score_error:.2%} of their spread" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(QualityError, match=r"scores differ from fp32 by .* of their spread"):
        export(one_column, tmp_path / "out", precisions=["int8"], gates=replace(LENIENT, max_score_error=1e-9))
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\ngood\t0\n")
    with pytest.raises(InputError, match="this head answers a number"):
        export(one_column, tmp_path / "out", evaluate=tmp_path / "dev.tsv")


@pytest.fixture
def one_column(broken: Path, configure: Callable[..., None]) -> Path:
    """The checkpoint with the first of its three outputs alone."""
    tensors = load_file(broken / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = tensors[name][:1].clone()
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    configure(id2label={"0": "score"}, label2id={"score": 0}, num_labels=1)
    return broken


def test_an_encoder_alone_has_a_gate_too(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="cosine with fp32"):
        export(
            checkpoint, tmp_path / "out", precisions=["int8"], encoder_only=True, gates=Gates(min_embedding_cosine=1)
        )


def test_calibration_text_is_taken_from_a_file(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("good\nbad\n\nneither good nor bad\n")
    report = export(checkpoint, tmp_path / "out", calibration=tmp_path / "train.txt", gates=LENIENT)
    assert "int8" in report.quality
    assert report.quality["int8"].calibration == "3 texts of train.txt"


def test_fp16_is_made_when_it_is_asked_for_and_loads_by_default_on_no_cpu(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "out", precisions=["fp32", "fp16"], gates=LENIENT)
    assert list(report.quality) == ["fp16"]
    assert report.quality["fp16"].calibration is None
    assert report.quality["fp16"].compared_on == "the built-in sample"
    assert "## fp16 against fp32\n\nCompared on" in (tmp_path / "out" / "README.md").read_text()
    assert Classifier.load(tmp_path / "out").precision == "fp32"
    sizes = [(tmp_path / "out" / f"weights.{precision}").stat().st_size for precision in ("fp16", "fp32")]
    assert sizes[0] < 0.55 * sizes[1]


def test_fp16_that_is_too_far_from_fp32_fails_by_name(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r"the fp16 graph failed its gate: .*expected 1 or more\. Ship") as caught:
        export(checkpoint, tmp_path / "out", precisions=["fp16"], gates=replace(LENIENT, min_embedding_cosine=1))
    assert caught.value.precision == "fp16"
    assert not (tmp_path / "out").exists()
