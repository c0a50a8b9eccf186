"""The whole export, top to bottom: checkpoint, spec, graphs, proof, bundle."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torchless
from torchless import Bundle
from torchless.bundle.manifest import GOLDEN, TOKENIZER, GraphKind, Manifest, Precision
from torchless.errors import InferenceError, InputError, shown

from . import file_names, old_spellings, samples, writers
from .card import model_card
from .checkpoint import Checkpoint, limits
from .checkpoint.download import advising_a_copy
from .checkpoint.notes import notes
from .checkpoint.sentence import SentenceSettings
from .errors import CheckpointError, ExportError, QualityError
from .golden import golden_answers
from .measures import Measures, measures_of
from .other_servers import files_for_other_servers
from .parity import check_parity
from .reference import Reference
from .reports import ExportReport, Gates, ParityReport, QualityReport
from .weights import WeightsFile
from .word_table import note_on_tokens_without_row
from .write import Draft, replacing_folder
from .writers import GraphName, Writer
from .writers.writer import leftovers

_DEFAULT_GATES = Gates()
_DEFAULT_COLUMNS = samples.Columns()


def export(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    precisions: Sequence[Precision] | None = None,
    graph: GraphName | Literal["lean", "standard"] | None = "auto",
    engine: Literal["auto", "lean", "optimum"] | None = None,
    encoder_only: bool = False,
    pairs: bool = True,
    max_tokens: int | None = None,
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
        precisions: of "fp32", "int8" and "fp16", which is for GPUs. int8 is loaded by default where it is among them,
            on a GPU fp16. None takes fp32, and int8 where it passes its gates; `ExportReport.left_out` says what it
            failed. Where optimum writes the graphs, None takes fp32 alone.
        graph: "packed" for our own graphs, the fastest, where the architecture has a family; "padded" for graphs that
            other servers run too; "optimum" for those of optimum, which knows more architectures; "auto" for packed
            where the architecture has a family, else optimum.
        engine: deprecated, as are "lean" and "standard" for `graph`: they work with a warning for one release.
        encoder_only: leave the head out, and do not require one of the checkpoint.
        pairs: let the bundle read pairs of texts too, where tokenizer and model tell the two apart; a model that labels
            tokens reads single texts.
        max_tokens: the longest text in tokens, special tokens included, where the checkpoint names no limit or a longer
            one; None takes the checkpoint's.
        calibration: text for the int8 scales (.txt, .csv, .tsv, .jsonl, .json); None takes texts that
            the model's tokenizer reads.
        evaluate: labelled text (.csv, .tsv, .jsonl, .json) to measure accuracy on.
        columns: where those two files have their texts, or pairs.
        gates: how far fp32 may be from PyTorch, and int8 and fp16 from fp32.
        revision: branch, tag or commit of a Hub id.
        trust_remote_code: run Python code that the checkpoint brings along.
        say: called with a line as each step begins.

    Raises:
        CheckpointError, UnsupportedModelError: the checkpoint cannot be read, or its architecture is unknown.
        InputError: an argument, or a file of text, cannot be used.
        MissingExtraError: optimum is needed and not installed.
        ParityError: the fp32 graph does not answer as PyTorch does.
        QualityError: int8 or fp16, named in `precisions`, is further from fp32 than the gates allow.
        OutputError: `out` cannot be written. Whatever the error, a bundle at `out` is unchanged.
    """
    ways = old_spellings.ways(engine, graph)
    old_spellings.warn(engine, graph)
    writers.refuse_unknown(precisions)
    if encoder_only and evaluate is not None:
        raise InputError("evaluate: an encoder has no labels to be right about. Leave one of the two out.")
    with advising_a_copy(os.fspath(checkpoint)), replacing_folder(Path(out)) as folder:
        say("reading the checkpoint")
        source = Checkpoint.open(os.fspath(checkpoint), revision, trust_remote_code=trust_remote_code)
        kind: GraphKind = "encoder" if encoder_only else source.head
        for note in notes(source, kind):
            say(note)
        writer, wanted = writers.open_writer(source, ways, kind, precisions, say=say)
        source = source.with_outputs(writer.outputs)
        manifest = _manifest(source, writer, kind, say, pairs=pairs, max_tokens=max_tokens)
        draft = Draft(folder, out=Path(out), manifest=manifest)
        tokenizer = source.transformers_tokenizer.backend_tokenizer
        measures = measures_of(kind)
        texts = measures.texts(draft.manifest, calibration, evaluate, columns, tokenizer)

        say("writing the fp32 graphs")
        draft.add_file(TOKENIZER, source.tokenizer_json())
        _add_variant(draft, writer, "fp32", texts)
        say("comparing them with PyTorch")
        reference = _reference(source, writer, kind, draft.manifest.max_tokens, say)
        parity = _parity(draft, reference, gates, texts, say)

        others: list[Precision] = [name for name in wanted if name != "fp32"]
        quality, left_out = _add_compared(draft, writer, others, texts, measures, say, required=precisions is not None)
        accuracy = None
        if texts.labelled:
            say(f"measuring accuracy on {len(texts.labelled.texts)} texts")
            accuracy = measures.accuracy(folder, reference, texts.labelled, quality)
        for precision, found in quality.items():
            if findings := found.findings(precision, gates, accuracy):
                if precisions is not None:
                    raise QualityError(precision, found, findings)
                left_out[precision] = findings
        report = ExportReport(parity, quality, accuracy, left_out)
        _finish(draft, source, report, wanted)
    return report


def _reference(
    source: Checkpoint, writer: Writer, kind: GraphKind, longest: int, say: Callable[[str], None]
) -> Reference:
    """The model in PyTorch, which has to leave out the tensors of the body that the graphs leave out."""
    reference = Reference(source, longest, kind)
    reference.refuse_unread(writer.unread)
    for note in leftovers(writer.unread, of=""):
        say(note)
    if unread := note_on_tokens_without_row(reference.tokenizer.backend_tokenizer, reference.model):
        say(unread)
    return reference


def _parity(
    draft: Draft, reference: Reference, gates: Gates, texts: samples.Texts, say: Callable[[str], None]
) -> ParityReport:
    report = check_parity(Bundle.open(draft.folder), reference, gates.max_difference, texts.compared.texts)
    most = draft.manifest.max_tokens
    if report.longest_tokens < most:
        say(f"compared up to {report.longest_tokens} of {most} tokens: more would take PyTorch minutes")
    return report


def _manifest(
    source: Checkpoint,
    writer: Writer,
    kind: GraphKind,
    say: Callable[[str], None],
    *,
    pairs: bool,
    max_tokens: int | None,
) -> Manifest:
    """What is known of a bundle before it has files."""
    head = writer.outputs is not None
    sentence = None if head else SentenceSettings.read(source.folder)
    pairs = pairs and kind != "token_classifier"
    if pairs and (reason := source.why_no_pairs):
        say(f"single texts alone, no pairs: {reason}")
        pairs = False
    ranker = source.cross_encoder if head and pairs else None
    settings = ranker or sentence
    activation, pipeline = (source.activation, source.pipeline_activation) if head else ("none", "none")
    return Manifest(
        created_by=f"torchless {torchless.__version__}",
        labels=() if writer.outputs is None else _labels(source, writer.outputs),
        activation=activation,
        max_tokens=limits.max_tokens(
            source, writer.max_positions, settings.transformer if settings else None, max_tokens
        ),
        hidden_size=writer.hidden_size,
        default_precision="fp32",
        source=source.source,
        variants={},
        quality={},
        files={},
        layout=writer.layout,
        padding_id=source.padding_id if writer.layout == "padded" else 0,
        pairs=pairs,
        pooling=sentence.pooling if sentence else "mean",
        normalize=sentence.normalize if sentence else True,
        truncation_side=source.transformers_tokenizer.truncation_side,
        reranker_activation=ranker.activation if ranker and ranker.activation != source.activation else None,
        pipeline_activation=None if pipeline == activation else pipeline,
    )


def _labels(checkpoint: Checkpoint, outputs: int) -> tuple[str, ...]:
    labels = checkpoint.labels
    if len(labels) != outputs:
        raise CheckpointError(
            f"{checkpoint.folder / 'config.json'}: id2label names {len(labels)} labels, but the head answers {outputs}."
        )
    if len(set(labels)) != len(labels):
        raise CheckpointError(
            f"{checkpoint.folder / 'config.json'}, id2label: expected labels that differ, got "
            f"{shown(Counter(labels).most_common(1)[0][0])} more than once."
        )
    return labels


def _add_variant(draft: Draft, writer: Writer, precision: Precision, texts: samples.Texts) -> None:
    """Write one variant; the draft is a loadable bundle with it afterwards."""
    calibration = None
    if precision == "int8":
        calibration = Bundle.open(draft.folder).tokenizer().encode(texts.calibration.texts)
    weights = WeightsFile(file_names.weights(draft.manifest.layout, precision))
    draft.add_variant(precision, writer.graphs(precision, weights, calibration), weights)
    draft.write_manifest()


def _add_compared(
    draft: Draft,
    writer: Writer,
    precisions: Sequence[Precision],
    texts: samples.Texts,
    measures: Measures,
    say: Callable[[str], None],
    *,
    required: bool,
) -> tuple[dict[Precision, QualityReport], dict[Precision, Sequence[str]]]:
    """Write variants and compare each with fp32: the reports, and why a variant that is not required has none."""
    quality: dict[Precision, QualityReport] = {}
    failed: dict[Precision, Sequence[str]] = {}
    for precision in precisions:
        scales = texts.calibrated_on(precision)
        try:
            say(f"writing the {precision} graphs" + (f", calibrated on {scales}" if scales else ""))
            _add_variant(draft, writer, precision, texts)
            say(f"comparing {precision} with fp32")
            quality[precision] = measures.quality(draft.folder, precision, texts.compared_on(precision), scales)
        except (ExportError, InferenceError) as error:
            if required:
                raise
            failed[precision] = [str(error)]
    return quality, failed


def _finish(draft: Draft, source: Checkpoint, report: ExportReport, wanted: Sequence[Precision]) -> None:
    """Leave out what failed or only measured the others, and add what describes the bundle, once all of it is there."""
    for precision in (*report.left_out, *(() if "fp32" in wanted else ("fp32",))):
        draft.drop_variant(precision)
    manifest = draft.write_manifest(report.figures())
    if manifest.layout == "padded":
        for name, data in files_for_other_servers(source, manifest):
            draft.add_file(name, data)
    draft.add_file(GOLDEN, golden_answers(Bundle.open(draft.folder)))
    draft.add_file("README.md", model_card(manifest).encode())
    draft.write_manifest(report.figures())
