"""The whole export, top to bottom: checkpoint, spec, graphs, proof, bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from torchless import Classifier, Encoder
from torchless.bundle.golden import MIN_COSINES
from torchless.bundle.manifest import GOLDEN, TOKENIZER, Manifest, Precision
from torchless.errors import InputError
from torchless.inputs.tokens import Tokenizer

from . import samples
from .card import model_card
from .checkpoint import Checkpoint
from .checkpoint.checkpoint import max_tokens
from .checkpoint.sentence import SentenceSettings
from .engines import EngineName, GraphName, choose
from .engines.lean import Lean
from .errors import CheckpointError, QualityError
from .parity import check_parity
from .quality import measure_accuracy, measure_quality
from .reference import Reference
from .reports import ExportReport, Gates, QualityReport
from .weights import WeightsFile
from .write import Draft, replacing_folder

# How far another machine's answers may lie from the recorded ones. fp32 differs by rounding alone; in int8 a rounding
# difference can tip a value to the next of its 256 levels (docs/decisions/0004-int8.md), in fp16 sums have 11 bits.
_GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.1}
_GOLDEN_EMBEDDINGS = 12  # of so many texts they are kept: they are what makes the file large

_DEFAULT_GATES = Gates()
_DEFAULT_COLUMNS = samples.Columns()


def export(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    precisions: Sequence[Precision] | None = None,
    engine: EngineName = "auto",
    graph: GraphName | None = None,
    encoder_only: bool = False,
    pairs: bool = True,
    calibration: str | os.PathLike[str] | None = None,
    evaluate: str | os.PathLike[str] | None = None,
    columns: samples.Columns = _DEFAULT_COLUMNS,
    gates: Gates = _DEFAULT_GATES,
    revision: str | None = None,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> ExportReport:
    """Turn a fine-tuned checkpoint into a bundle, and prove that it answers as PyTorch does.

    Args:
        checkpoint: a folder that transformers wrote, or a Hub id.
        out: the bundle's folder; a bundle that is there already is replaced, and only by one that passed its gates.
        precisions: of "fp32", "int8" and "fp16", which is for GPUs; int8 is the default to load where it is among them,
            on a GPU fp16. None takes fp32 and int8, or fp32 alone where optimum writes the graphs.
        engine: "lean" for our own graph builder, "optimum" for any architecture that optimum can export, "auto" for
            lean where the architecture has a family, else optimum.
        graph: "lean" for packed graphs, "standard" for padded ones that other servers run too; None takes what the
            engine does best.
        encoder_only: leave the head out, and do not ask the checkpoint for one.
        pairs: let the bundle read pairs of texts too, where tokenizer and model tell them apart.
        calibration: text for the int8 scales (.txt, .csv, .tsv, .jsonl); None takes the built-in sample.
        evaluate: labelled text (.csv, .tsv, .jsonl) to measure accuracy on.
        columns: where those two files have their texts, or pairs.
        gates: how far fp32 may be from PyTorch, and what int8 and fp16 may cost.
        revision: of a Hub id.
        trust_remote_code: run Python code that the checkpoint brings along.
        say: called with a line as each step begins.

    Raises:
        CheckpointError, UnsupportedModelError: the checkpoint cannot be read, or its architecture is unknown.
        MissingExtraError: optimum is needed and not installed.
        ParityError: the fp32 graph is not the model.
        QualityError: int8 or fp16 costs more than the gates allow.
        OutputError: `out` cannot be written. Whatever the error, a bundle at `out` is unchanged.
    """
    if precisions is not None and (
        not precisions or isinstance(precisions, str) or set(precisions) - {*get_args(Precision)}
    ):
        raise InputError(f"precisions: expected some of {', '.join(get_args(Precision))}, got {precisions!r}.")
    if encoder_only and evaluate is not None:
        raise InputError("evaluate: an encoder has no labels to be right about. Leave one of the two out.")
    with replacing_folder(Path(out)) as folder:
        say("reading the checkpoint")
        source = Checkpoint.open(os.fspath(checkpoint), revision, trust_remote_code=trust_remote_code)
        model = choose(source, engine, graph, precisions, head=not encoder_only)
        source = source if model.outputs is None else source.with_outputs(model.outputs)
        labels = () if model.outputs is None else _labels(source, model.outputs)
        if evaluate and (source.activation == "none" or len(labels) == 1):
            raise InputError("evaluate: this head answers a number, so no label can be right. Leave the file out.")
        reads_pairs = pairs and source.pairs
        if columns.pair and not reads_pairs:
            raise InputError(f"columns: the bundle reads single texts, got the pairs of column {columns.pair!r}.")
        labelled = samples.labelled(Path(evaluate), labels, columns) if evaluate else None
        scale_texts, compared = samples.for_int8(Path(calibration) if calibration else None, labelled, columns)
        sentence = SentenceSettings.read(source.folder) if model.outputs is None else None
        limit = max_tokens(source, model.max_positions, sentence)
        about = {
            "source": source.source,
            "labels": labels,
            "activation": "none" if encoder_only else source.activation,
            "max_tokens": limit,
            "hidden_size": model.hidden_size,
            "layout": model.layout,
            "padding_id": source.padding_id if model.layout == "padded" else 0,
            "pairs": reads_pairs,
            **({"pooling": sentence.pooling, "normalize": sentence.normalize} if sentence else {}),
        }
        draft = Draft(folder, out=Path(out), about=about)

        say("writing the fp32 graphs")
        draft.add_file(TOKENIZER, source.tokenizer_json())
        if model.layout == "padded":
            for name, data in source.files_for_other_servers():
                draft.add_file(name, data)
        weights = WeightsFile("weights.fp32")
        draft.add_variant("fp32", model.fp32(weights), weights)
        draft.write_manifest()

        say("comparing them with PyTorch")
        reference = Reference(source, limit, head=not encoder_only)
        compared_pairs = samples.pairs_of_many_lengths(limit) if reads_pairs else []
        parity = check_parity(folder, reference, samples.of_many_lengths(), gates.max_difference, compared_pairs)

        quality: dict[Precision, QualityReport] = {}
        if isinstance(model, Lean) and "fp16" in (precisions or ()):
            say("writing the fp16 graphs")
            weights = WeightsFile("weights.fp16")
            draft.add_variant("fp16", model.fp16(weights), weights)
            draft.write_manifest()
            say("comparing fp16 with fp32")
            texts_of_fp16 = compared if labelled or calibration else scale_texts  # which calibrated nothing
            quality["fp16"] = measure_quality(folder, "fp16", texts_of_fp16, None)
        if isinstance(model, Lean) and "int8" in (precisions or ("int8",)):
            say(f"calibrating int8 on {scale_texts.name}")
            weights = WeightsFile("weights.int8")
            texts = Tokenizer(folder / TOKENIZER, limit, pairs=reads_pairs).encode(scale_texts.texts)
            draft.add_variant("int8", model.int8(weights, texts), weights)
            draft.write_manifest()
            say("comparing int8 with fp32")
            quality["int8"] = measure_quality(folder, "int8", compared, scale_texts.name)
        accuracy = None
        if labelled:
            say(f"measuring accuracy on {len(labelled.texts)} texts")
            accuracy = measure_accuracy(folder, reference, labelled, quality)
        for precision, found in quality.items():
            if findings := found.findings(precision, gates, accuracy):
                raise QualityError(precision, found, findings)

        report = ExportReport(parity, quality, accuracy)
        if precisions is not None and "fp32" not in precisions:
            draft.drop_variant("fp32")
        _finish(draft, report)
    return report


def _finish(draft: Draft, report: ExportReport) -> None:
    """Add what describes the bundle, once everything that it describes is there."""
    manifest = draft.write_manifest(report.figures())
    draft.add_file(GOLDEN, _golden(draft.folder, manifest))
    draft.add_file("README.md", model_card(manifest).encode())
    draft.write_manifest(report.figures())


def _labels(checkpoint: Checkpoint, outputs: int) -> tuple[str, ...]:
    labels = checkpoint.labels
    if len(labels) != outputs:
        raise CheckpointError(
            f"{checkpoint.folder / 'config.json'}: id2label names {len(labels)} labels, but the head answers {outputs}."
        )
    if len(set(labels)) != len(labels):
        raise CheckpointError(
            f"{checkpoint.folder / 'config.json'}, id2label: expected labels that differ, got {', '.join(labels)}."
        )
    return labels


def _golden(folder: Path, manifest: Manifest) -> bytes:
    """The answers of this machine to a few texts, for `torchless verify` on another."""
    texts = samples.golden(pairs=manifest.pairs)
    batch = Tokenizer(folder / TOKENIZER, manifest.max_tokens, pairs=manifest.pairs).encode(texts)
    variants: dict[str, Any] = {}
    for precision, variant in manifest.variants.items():
        answers: dict[str, Any] = {"tolerance": _GOLDEN_TOLERANCE[precision], "min_cosine": MIN_COSINES[precision]}
        embeddings = Encoder.load(folder, precision=precision).embed(
            texts[:_GOLDEN_EMBEDDINGS], pooling="mean", normalize=True
        )
        answers["embeddings"] = _rounded(embeddings, digits=4)
        if variant.classifier is not None:
            answers["logits"] = _rounded(Classifier.load(folder, precision=precision).logits(texts), digits=6)
        variants[precision] = answers
    ids = [row.tolist() for row in np.split(batch.input_ids, batch.offsets[1:-1])]
    written = [text if isinstance(text, str) else [text.first, text.second] for text in texts]
    golden = {"texts": written, "input_ids": ids, "variants": variants}
    return json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode()


def _rounded(array: Iterable[Iterable[float]], digits: int) -> list[list[float]]:
    return [[round(float(value), digits) for value in row] for row in array]
