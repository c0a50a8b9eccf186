"""manifest.json: what a bundle is, what is in it, and how exact it was when it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from .errors import IncompatibleError, ManifestError

FORMAT_VERSION = 1
FILE_NAME = "manifest.json"

Activation = Literal["softmax", "sigmoid", "none"]
Precision = Literal["fp32", "int8"]
Layout = Literal["packed", "padded"]

_DIGEST_KEY = "manifest_sha256"
_NO_DIGEST = "0" * 64


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
    """

    weights: str
    encoder: str
    classifier: str | None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that this variant alone needs."""
        return tuple(name for name in (self.weights, self.encoder, self.classifier) if name)


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

    Attributes:
        layout: how its graphs take tokens; bundles that do not say it are packed.
        padding_id: the token id that fills up a padded batch.
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

    def to_bytes(self) -> bytes:
        """The file's bytes, its own digest included."""
        fields: dict[str, Any] = {"format": "torchless", "format_version": FORMAT_VERSION, **asdict(self)}
        if self.layout == "packed":  # what a bundle is that does not say
            del fields["layout"], fields["padding_id"]
        unsigned = json.dumps({**fields, _DIGEST_KEY: _NO_DIGEST}, indent=2, ensure_ascii=False).encode() + b"\n"
        return _replace_digest(unsigned, _NO_DIGEST, hashlib.sha256(unsigned).hexdigest())

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse and check every field.

        Raises:
            ManifestError: a field is missing, of the wrong type or out of its range; the message says which.
            IncompatibleError: a newer Torchless wrote the bundle.
        """
        try:
            root = _Fields("", json.loads(data))
        except ValueError as error:
            raise ManifestError("the file", "JSON", str(error)) from error
        root.choice("format", ("torchless",))
        version = root.integer("format_version")
        if version > FORMAT_VERSION:
            raise IncompatibleError(
                f"manifest.json, format_version: this Torchless reads up to {FORMAT_VERSION}, got {version}. "
                "Upgrade it with: pip install -U torchless"
            )
        _check_digest(data, root.text(_DIGEST_KEY))
        return cls(
            created_by=root.text("created_by"),
            labels=tuple(root.texts("labels")),
            activation=root.choice("activation", get_args(Activation)),
            max_tokens=root.integer("max_tokens"),
            hidden_size=root.integer("hidden_size"),
            default_precision=root.choice("default_precision", tuple(root.mapping("variants").values)),
            source=_source(root.mapping("source")),
            variants=_variants(root.mapping("variants"), root.mapping("files")),
            quality=root.mapping("quality").values,
            files={name: _file_record(name, record) for name, record in root.mapping("files").items()},
            layout=root.choice("layout", get_args(Layout)) if "layout" in root.values else "packed",
            padding_id=root.integer("padding_id") if "padding_id" in root.values else 0,
        )


class _Fields:
    """A JSON object that knows its place in the file, so that every complaint says where."""

    def __init__(self, where: str, values: Any) -> None:
        self.where = where
        if not isinstance(values, dict):
            raise ManifestError(where or "the file", "an object", _describe(values))
        self.values: dict[str, Any] = values

    def path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def _get(self, key: str, kind: type, expected: str) -> Any:
        value = self.values.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ManifestError(self.path(key), expected, _describe(value) if key in self.values else "nothing")
        return value

    def text(self, key: str) -> str:
        value: str = self._get(key, str, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.values.get(key) is None else self.text(key)

    def integer(self, key: str) -> int:
        value: int = self._get(key, int, "a whole number")
        if value < 0:
            raise ManifestError(self.path(key), "a whole number of 0 or more", str(value))
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        value = self.text(key)
        if value not in allowed:
            raise ManifestError(self.path(key), "one of " + ", ".join(allowed), repr(value))
        return value

    def texts(self, key: str) -> list[str]:
        values: list[str] = self._get(key, list, "a list")
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise ManifestError(f"{self.path(key)}[{index}]", "a string", _describe(value))
        return values

    def mapping(self, key: str) -> _Fields:
        return _Fields(self.path(key), self.values.get(key))

    def items(self) -> list[tuple[str, _Fields]]:
        return [(key, self.mapping(key)) for key in self.values]


def _describe(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _file_record(name: str, fields: _Fields) -> FileRecord:
    if "/" in name or "\\" in name or name in (".", "..", FILE_NAME):
        raise ManifestError(fields.where, "a file name in the bundle's own folder", repr(name))
    return FileRecord(size_bytes=fields.integer("size_bytes"), sha256=fields.text("sha256"))


def _source(fields: _Fields) -> Source:
    return Source(
        name=fields.text("name"),
        revision=fields.optional_text("revision"),
        architecture=fields.text("architecture"),
        license=fields.optional_text("license"),
        weights_sha256=fields.text("weights_sha256"),
    )


def _variants(variants: _Fields, files: _Fields) -> dict[Precision, Variant]:
    found: dict[Precision, Variant] = {}
    for name, fields in variants.items():
        if name not in get_args(Precision):
            raise ManifestError(fields.where, "one of " + ", ".join(get_args(Precision)), repr(name))
        variant = Variant(fields.text("weights"), fields.text("encoder"), fields.optional_text("classifier"))
        for file in variant.files:
            if file not in files.values:
                raise ManifestError(fields.where, "files that `files` lists", repr(file))
        found[name] = variant  # type: ignore[index]  # checked against the Literal above
    return found


def _check_digest(data: bytes, recorded: str) -> None:
    """The digest is taken over the file's bytes with the digest's own 64 digits set to 0."""
    actual = hashlib.sha256(_replace_digest(data, recorded, _NO_DIGEST)).hexdigest()
    if actual != recorded:
        raise ManifestError("the file", f"content of sha256 {recorded}", f"{actual} (it was altered after export)")


def _replace_digest(data: bytes, old: str, new: str) -> bytes:
    head, key, tail = data.rpartition(f'"{_DIGEST_KEY}"'.encode())
    return head + key + tail.replace(old.encode(), new.encode(), 1)
