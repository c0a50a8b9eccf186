"""manifest.json: what a bundle is, what is in it, and how exact it was when it was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from torchless.errors import IncompatibleError, InputError, ManifestError, shown
from torchless.inputs.arguments import Side

from .fields import Fields, parse

FORMAT, FORMAT_VERSION = "torchless", 2  # the newest that is read; a bundle has the oldest that says all about it
# The files that every bundle has by these names.
MANIFEST, TOKENIZER, GOLDEN = "manifest.json", "tokenizer.json", "golden.json"

Activation = Literal["softmax", "sigmoid", "none"]
Precision = Literal["fp32", "fp16", "int8"]
Layout = Literal["packed", "padded"]
Pooling = Literal["cls", "mean", "max"]
ActivationScales = Literal["static", "row"]
GraphKind = Literal["classifier", "encoder"]  # with the head, without it

_DIGEST_KEY = "manifest_sha256"
_NO_DIGEST = "0" * 64
_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,254}"  # what every file system can hold
_FILE_NAMES = {1: re.compile(_NAME), 2: re.compile(f"(?:{_NAME}/)?{_NAME}")}  # by format version
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
        classifier: the graph with the head, packed tokens to logits; None in a bundle without a head.
        lone_encoder, lone_classifier: the same two for one text alone, recorded as CUDA graphs; None without them.
    """

    weights: str
    encoder: str
    classifier: str | None
    lone_encoder: str | None = None
    lone_classifier: str | None = None

    def graphs(self, kind: GraphKind) -> tuple[str | None, str | None]:
        """The graph with or without the head, and the same for one text alone."""
        return (self.classifier, self.lone_classifier) if kind == "classifier" else (self.encoder, self.lone_encoder)

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
        activation_scales: where int8's come from: calibration alone, or for some inputs each row; "row" takes format
            version 2.
        reranker_activation: what `Reranker` applies to logits, where that is not `activation`; None where it is.
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

    @property
    def ranks(self) -> bool:
        """Whether it ranks documents: it reads pairs, and has one output."""
        return self.pairs and len(self.labels) == 1

    @property
    def format_version(self) -> int:
        """The first version of the format whose readers understand all that this manifest says."""
        newer = self.truncation_side == "left" or self.activation_scales == "row"
        return 2 if newer or any("/" in name for name in self.files) else 1

    def columns(self, kind: GraphKind) -> int:
        """The last axis of what a graph answers: labels with the head, the hidden size without it."""
        return len(self.labels) if kind == "classifier" else self.hidden_size

    def to_bytes(self) -> bytes:
        """The file's bytes, its own digest included."""
        variants = {name: _stated(variant) for name, variant in self.variants.items()}
        stated = {**_stated(self), "variants": variants}
        fields: dict[str, Any] = {"format": FORMAT, "format_version": self.format_version, **stated}
        unsigned = json.dumps({**fields, _DIGEST_KEY: _NO_DIGEST}, indent=2, ensure_ascii=False).encode() + b"\n"
        return _replace_digest(unsigned, _NO_DIGEST, hashlib.sha256(unsigned).hexdigest())

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
        _check_digest(data, root.sha256(_DIGEST_KEY))
        return cls(
            created_by=root.text("created_by"),
            labels=_labels(root),
            activation=root.choice("activation", get_args(Activation)),
            max_tokens=root.integer("max_tokens", 2, _MOST),
            hidden_size=root.integer("hidden_size", 1, _MOST),
            variants=_variants(root),
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
        "reranker_activation": lambda: root.choice("reranker_activation", get_args(Activation)),
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


def _variants(root: Fields) -> dict[Precision, Variant]:
    found: dict[Precision, Variant] = {}
    for name, fields in root.mapping("variants").items():
        if name not in get_args(Precision):
            raise fields.wrong(fields.where, "one of " + ", ".join(get_args(Precision)), repr(name))
        optional = [fields.optional_text(kind) for kind in ("classifier", "lone_encoder", "lone_classifier")]
        variant = Variant(fields.text("weights"), fields.text("encoder"), *optional)
        for file in variant.files:
            if file not in root.mapping("files").values:
                raise fields.wrong(fields.where, "files that `files` lists", repr(file))
        if len({file.rpartition("/")[0] for file in variant.files}) > 1:  # a graph names the weights beside it
            raise fields.wrong(fields.where, "files of one folder", ", ".join(variant.files))
        found[name] = variant  # type: ignore[index]  # checked against the Literal above
    if not found:
        raise root.wrong("variants", "one or more", "none")
    return found


def _check_digest(data: bytes, recorded: str) -> None:
    """The digest is taken over the file's bytes with the digest's own 64 digits set to 0."""
    actual = hashlib.sha256(_replace_digest(data, recorded, _NO_DIGEST)).hexdigest()
    if actual != recorded:
        raise ManifestError("the file", f"content of sha256 {recorded}", f"{actual} (it was altered after export)")


def _replace_digest(data: bytes, old: str, new: str) -> bytes:
    head, key, tail = data.rpartition(f'"{_DIGEST_KEY}"'.encode())
    return head + key + tail.replace(old.encode(), new.encode(), 1)
