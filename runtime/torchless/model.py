"""What loading a classifier and loading an encoder share: checks, tokenizer, session."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from .bundle.bundle import Bundle
from .bundle.manifest import TOKENIZER, Manifest, Precision
from .errors import DeviceError, IncompatibleError
from .inputs.arguments import whole_number
from .inputs.tokens import Tokenizer

if TYPE_CHECKING:
    from .running.session import Session

Device = Literal["cpu", "cuda"]
T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """One graph of a bundle, ready to run."""

    manifest: Manifest
    precision: Precision
    tokenizer: Tokenizer
    session: Session

    def limited(self, max_tokens: int) -> Model:
        """The same graph behind a tokenizer that cuts texts at fewer tokens.

        Raises:
            InputError: it is more than the model's limit, or has no room for the special tokens.
        """
        most = self.manifest.max_tokens
        max_tokens = whole_number(max_tokens, "max_tokens", f"a whole number from 1 to {most}, the model's limit", most)
        return replace(self, tokenizer=self.tokenizer.limited(max_tokens))


def load(
    path: str | os.PathLike[str],
    kind: Literal["classifier", "encoder"],
    *,
    precision: str,
    device: Device,
    threads: int | None,
    revision: str | None = None,
) -> Model:
    """Open a bundle, check every file that is used, and load one of its graphs.

    Hashing the weights, creating the session and parsing the tokenizer take about as long each, and all but the last
    leave Python free: they run side by side. Nothing but the weights, which are only numbers, is read unchecked.
    """
    bundle = Bundle.open(path, revision=revision)
    manifest = bundle.manifest
    name, variant = bundle.variant(_precision_for(bundle, device, precision))
    graph, lone = variant.graphs(kind)
    if graph is None:
        raise IncompatibleError(f"{path} has no classification head. Load it with Encoder.load({str(path)!r}).")
    bundle.fetch(bundle.files_for(variant))
    bundle.check(file for file in bundle.files_for(variant) if file != variant.weights)
    checking = _Beside(lambda: bundle.check([variant.weights]))
    from .running.session import Session  # here, because importing onnxruntime takes as long as hashing small weights

    padding_id = manifest.padding_id if manifest.layout == "padded" else None
    lone_path = bundle.path / lone if lone and device == "cuda" else None
    creating = _Beside(
        lambda: Session(bundle.path / graph, device=device, threads=threads, padding_id=padding_id, lone=lone_path)
    )
    tokenizer = Tokenizer(bundle.path / TOKENIZER, manifest.max_tokens, pairs=manifest.pairs)
    checking.result()
    session = creating.result()
    expected = len(manifest.labels) if kind == "classifier" else manifest.hidden_size
    if session.output_size != expected:
        raise IncompatibleError(
            f"{path}: manifest.json says {expected} {'labels' if kind == 'classifier' else 'dimensions'}, but {graph} "
            f"answers {session.output_size}. Export the bundle again."
        )
    return Model(manifest, name, tokenizer, session)


def _precision_for(bundle: Bundle, device: str, precision: str) -> str:
    if device != "cuda" or precision not in ("auto", "int8"):
        return precision
    if precision == "auto":
        for name in ("fp16", "fp32"):
            if name in bundle.manifest.variants:
                return name
    # onnxruntime would take it and run it on the CPU (microsoft/onnxruntime#10267).
    raise DeviceError(
        f"int8 has no CUDA kernels in onnxruntime, and {bundle.path} holds {', '.join(bundle.manifest.variants)}. "
        "Load with device='cpu', or export the checkpoint with --precision fp16,int8 and load with precision='fp16'."
    )


class _Beside(Generic[T]):
    """Work in a thread of its own, begun at once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result, self._error = self._work(), None
        except BaseException as error:  # belongs to whoever asks for the result
            self._error = error

    def result(self) -> T:
        """What the work returned; what it raised is raised here."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result
