"""manifest.json: what a bundle is, what is in it, and how exact it was when it was made."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, get_args

from torchless.errors import IncompatibleError, InputError, shown
from torchless.inputs.arguments import Side

from . import digest
from .fields import Fields, parse

FORMAT, FORMAT_VERSION = "torchless", 2  # the newest that is read; a bundle has the oldest that says all about it
MANIFEST, TOKENIZER, GOLDEN = "manifest.json", "tokenizer.json", "golden.json"

Activation = Literal["softmax", "sigmoid", "none"]
Precision = Literal["fp32", "fp16", "int8"]
Layout = Literal["packed", "padded"]
Pooling = Literal["cls", "mean", "max"]
ActivationScales = Literal["static", "row"]
GraphKind = Literal["classifier", "token_classifier", "encoder"]  # with the head for texts, for tokens, without it

_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,254}"  # what every file system can hold
_FILE_NAMES = {1: re.compile(_NAME), 2: re.compile(f"(?:{_NAME}/)?{_NAME}")}  # by version
_OPTIONAL_GRAPHS = ("classifier", "lone_encoder", "lone_classifier", "token_classifier", "lone_token_classifier")
_OTHER_ACTIVATIONS = ("reranker_activation", "pipeline_activation")
_MOST = 1_000_000  # tokens per text, numbers per hidden state: beyond any model, within any integer


@dataclass(frozen=True)
class FileRecord:
    """One file as it was exported."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Variant:
    """One precision of the model: its graphs and the weights they map.

    Attributes:
        weights: the file that both graphs keep their tensors in.
        encoder: the graph without the head, packed tokens to hidden states.
        classifier: the graph with a head for texts, packed tokens to logits of each text; None without such a head.
        lone_encoder, lone_classifier: the same two for one text alone, recorded as CUDA graphs; None without them.
        token_classifier: the graph with a head for tokens, packed tokens to logits of each token, special tokens
            included; None without such a head. A variant has one kind of head at most.
        lone_token_classifier: the same for one text alone.
    """

    weights: str
    encoder: str
    classifier: str | None
    lone_encoder: str | None = None
    lone_classifier: str | None = None
    token_classifier: str | None = None
    lone_token_classifier: str | None = None

    def graphs(self, kind: GraphKind) -> tuple[str | None, str | None]:
        """The graph of a kind, and the same for one text alone."""
        return getattr(self, kind), getattr(self, f"lone_{kind}")

    @property
    def kind(self) -> GraphKind:
        """What it was exported for: the kind of its head, "encoder" without one."""
        if self.token_classifier:
            return "token_classifier"
        return "classifier" if self.classifier else "encoder"

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that this variant alone needs."""
        return tuple(name for name in dataclasses.astuple(self) if name)


@dataclass(frozen=True)
class Source:
    """Where the weights came from."""

    name: str
    revision: str | None
    architecture: str
    license: str | None
    weights_sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contract of a bundle, as docs/bundle.md describes it.

    Fields with a default are left out of the file where they have it.

    Attributes:
        layout: how its graphs take tokens.
        padding_id: the token id that fills up a padded batch.
        pairs: whether the model reads pairs of texts.
        pooling: the default way from hidden states to a text's vector.
        normalize: whether that vector is scaled to length 1 by default.
        files: what is in it, by name; a name in a folder ("onnx/model.onnx") takes format version 2.
        truncation_side: where a text that is too long loses tokens; "left" takes format version 2.
        activation_scales: where int8's come from: calibration alone, or some from each row; "row" takes version 2.
        reranker_activation, pipeline_activation: what `Reranker`, and transformers' text-classification pipeline, apply
            to logits, where that is not `activation`; None where it is.
    """

    created_by: str
    labels: tuple[str, ...]
    activation: Activation
    max_tokens: int
    hidden_size: int
    default_precision: Precision
    source: Source
    variants: Mapping[Precision, Variant]
    quality: Mapping[str, Any]
    files: Mapping[str, FileRecord]
    layout: Layout = "packed"
    padding_id: int = 0
    pairs: bool = False
    pooling: Pooling = "mean"
    normalize: bool = True
    truncation_side: Side = "right"
    activation_scales: ActivationScales = "static"
    reranker_activation: Activation | None = None
    pipeline_activation: Activation | None = None

    @property
    def ranking_activation(self) -> Activation:
        """What turns logits into scores of pairs, as sentence-transformers' CrossEncoder has it."""
        return self.reranker_activation or self.activation

    @property
    def ranks(self) -> bool:
        """Whether it ranks documents: it reads pairs, and has one output."""
        return self.kind == "classifier" and self.pairs and len(self.labels) == 1

    @property
    def kind(self) -> GraphKind:
        """What the bundle was exported for: to label texts, to label tokens, or, without a head, to encode.

        The labels of a "token_classifier" are its tags, in the order of their ids.
        """
        return self.variants[self.default_precision].kind

    @property
    def format_version(self) -> int:
        """The first version of the format whose readers understand all that this manifest says."""
        newer = self._tags or self.truncation_side == "left" or self.activation_scales == "row"
        return 2 if newer or any("/" in name for name in self.files) else 1

    @property
    def _tags(self) -> bool:
        return any(variant.token_classifier for variant in self.variants.values())

    def columns(self, kind: GraphKind) -> int:
        """The last axis of what a graph answers: labels with the head, the hidden size without it."""
        return self.hidden_size if kind == "encoder" else len(self.labels)

    def to_bytes(self) -> bytes:
        """The file's bytes, its own digest included."""
        variants = {name: _stated(variant) for name, variant in self.variants.items()}
        stated = {**_stated(self), "variants": variants}
        kind = {"kind": "token_classifier"} if self._tags else {}  # for who reads no further; others have their graphs
        fields: dict[str, Any] = {"format": FORMAT, "format_version": self.format_version, **kind, **stated}
        unsigned = json.dumps({**fields, digest.KEY: digest.NONE}, indent=2, ensure_ascii=False).encode() + b"\n"
        return digest.sign(unsigned)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse and check every field.

        Raises:
            ManifestError: a field is missing, of the wrong type or out of its range; the message says which.
            IncompatibleError: a newer Torchless wrote the bundle.
            InputError: data is no bytes.
        """
        if not isinstance(data, bytes):
            raise InputError(f"data: expected bytes, got {shown(data)}.")
        root = parse(data, MANIFEST)
        root.choice("format", (FORMAT,))
        version = root.integer("format_version", 1, sys.maxsize)
        if version > FORMAT_VERSION:
            raise IncompatibleError(
                f"manifest.json, format_version: this Torchless reads up to {FORMAT_VERSION}, got {version}. "
                "Upgrade it with: pip install -U torchless"
            )
        digest.check(data, root.sha256(digest.KEY))
        return cls(
            created_by=root.text("created_by"),
            labels=_labels(root),
            activation=root.choice("activation", get_args(Activation)),
            max_tokens=root.integer("max_tokens", 2, _MOST),
            hidden_size=root.integer("hidden_size", 1, _MOST),
            variants=_variants(root, version),
            default_precision=root.choice("default_precision", tuple(root.mapping("variants").values)),
            source=_source(root.mapping("source")),
            quality={name: report.values for name, report in root.mapping("quality").items()},
            files=_files(root.mapping("files"), version),
            **_optional(root),
        )


def _stated(record: Manifest | Variant) -> dict[str, Any]:
    defaults = {field.name: field.default for field in dataclasses.fields(record)}
    return {name: value for name, value in asdict(record).items() if value != defaults[name]}


def _optional(root: Fields) -> dict[str, Any]:
    """The fields with a default that are there."""
    read: dict[str, Callable[[], Any]] = {
        "layout": lambda: root.choice("layout", get_args(Layout)),
        "padding_id": lambda: root.integer("padding_id", 0, _MOST),
        "pairs": lambda: root.boolean("pairs"),
        "pooling": lambda: root.choice("pooling", get_args(Pooling)),
        "normalize": lambda: root.boolean("normalize"),
        "truncation_side": lambda: root.choice("truncation_side", get_args(Side)),
        "activation_scales": lambda: root.choice("activation_scales", get_args(ActivationScales)),
        **{name: partial(root.choice, name, get_args(Activation)) for name in _OTHER_ACTIVATIONS},
    }
    return {name: field() for name, field in read.items() if name in root.values}


def _labels(root: Fields) -> tuple[str, ...]:
    labels = root.texts("labels")
    if len(set(labels)) != len(labels):
        first = {label: index for index, label in reversed(list(enumerate(labels)))}
        index = next(index for index, label in enumerate(labels) if first[label] < index)
        raise root.wrong(f"labels[{index}]", "a label that differs from the others", f"{labels[index]!r} again")
    return tuple(labels)


def _files(fields: Fields, version: int) -> dict[str, FileRecord]:
    if TOKENIZER not in fields.values:
        raise fields.wrong(fields.where, f"{TOKENIZER} among them", ", ".join(fields.values) or "none")
    for name in fields.values:
        folder = name.rpartition("/")[0]
        if not _FILE_NAMES[version].fullmatch(name) or MANIFEST in (name, folder) or folder in fields.values:
            inside = ", or in one folder of it" if version > 1 else ""
            raise fields.wrong(fields.path(name), f"a file name in the bundle's own folder{inside}", repr(name))
    return {
        name: FileRecord(size_bytes=record.integer("size_bytes", 0, sys.maxsize), sha256=record.sha256("sha256"))
        for name, record in fields.items()
    }


def _source(fields: Fields) -> Source:
    return Source(
        name=fields.text("name"),
        revision=fields.optional_text("revision"),
        architecture=fields.text("architecture"),
        license=fields.optional_text("license"),
        weights_sha256=fields.sha256("weights_sha256"),
    )


def _variants(root: Fields, version: int) -> dict[Precision, Variant]:
    found: dict[Precision, Variant] = {}
    for name, fields in root.mapping("variants").items():
        if name not in get_args(Precision):
            raise fields.wrong(fields.where, "one of " + ", ".join(get_args(Precision)), repr(name))
        optional = {graph: fields.optional_text(graph) for graph in _OPTIONAL_GRAPHS}
        variant = Variant(fields.text("weights"), fields.text("encoder"), **optional)
        for file in variant.files:
            if file not in root.mapping("files").values:
                raise fields.wrong(fields.where, "files that `files` lists", repr(file))
        if len({file.rpartition("/")[0] for file in variant.files}) > 1:  # a graph names the weights beside it
            raise fields.wrong(fields.where, "files of one folder", ", ".join(variant.files))
        found[name] = variant  # type: ignore[index]  # checked against the Literal above
    if not found:
        raise root.wrong("variants", "one or more", "none")
    _check_tags(root, version, found)
    return found


def _check_tags(root: Fields, version: int, variants: Mapping[Precision, Variant]) -> None:
    """A head for tokens is the only head of a bundle, has labels, and is said in a format that old readers refuse."""
    tags = any(variant.token_classifier for variant in variants.values())
    if "kind" in root.values:
        root.choice("kind", ("token_classifier",) if tags else ("classifier", "encoder"))
    if not tags:
        return
    for name, variant in variants.items():
        where = f"variants.{name}"
        if variant.classifier:
            raise root.wrong(where, "a classifier or a token_classifier", "both in this bundle")
        if not variant.token_classifier:
            raise root.wrong(where, "a token_classifier, as in the other variants", "none")
    if version < FORMAT_VERSION:
        raise root.wrong("format_version", f"{FORMAT_VERSION}, with a token_classifier", str(version))
    if not root.texts("labels"):
        raise root.wrong("labels", "one or more, with a token_classifier", "none")
    if root.text("activation") != "softmax":
        raise root.wrong("activation", "softmax, with a token_classifier", repr(root.text("activation")))
