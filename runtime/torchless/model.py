"""What `Classifier` and `Encoder` share: a bundle's graph, checked, loaded and ready to run."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Self, TypeVar

from .bundle.bundle import Bundle
from .bundle.manifest import GraphKind, Manifest, Precision
from .errors import DeviceError, IncompatibleError
from .inputs.arguments import whole_number
from .inputs.tokens import Tokenizer

if TYPE_CHECKING:
    from .running.session import Session

Device = Literal["cpu", "cuda"]
T = TypeVar("T")


class Model:
    """One graph of a bundle behind its tokenizer.

    Attributes:
        manifest: the bundle's contract.
        precision: the variant that is loaded.
        device: where it runs.
        tokenizer: texts to tokens.
        session: tokens to arrays.
    """

    graph_kind: ClassVar[GraphKind]

    def __init__(
        self, manifest: Manifest, precision: Precision, device: Device, tokenizer: Tokenizer, session: Session
    ) -> None:
        self.manifest = manifest
        self.precision = precision
        self.device = device
        self.tokenizer = tokenizer
        self.session = session

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        precision: str = "auto",
        device: Device = "cpu",
        threads: int | None = None,
        revision: str | None = None,
    ) -> Self:
        """Load a bundle after checking that every file it needs is what was exported.

        Args:
            path: a folder, the name of an installed model package, or a Hub id, as in `Bundle.open`.
            precision: "fp32", "fp16", "int8", or "auto": the bundle's default, and on a GPU fp16 where it is there.
            device: "cpu" or "cuda"; a missing GPU is an error, never a silent run on the CPU.
            threads: CPU threads, 1 to 1024; None takes CPU affinity ∩ cgroup quota. A few texts share them, the batches
                of a long list take one each. The tokenizer has threads of its own, for lists of texts;
                RAYON_NUM_THREADS in the environment bounds them.
            revision: branch, tag or commit of a Hub id; None is its main branch.

        Raises:
            BundleNotFoundError: there is no bundle at `path`.
            BundleError: a file of it cannot be read.
            ManifestError, IntegrityError: the bundle was altered.
            IncompatibleError: the bundle has no head (use `Encoder`), or not that precision.
            InputError: precision, device or threads is not one of those above, or a revision of what has none.
            DeviceError: the device is not there, or has no kernels for the precision.
            InferenceError: onnxruntime cannot load the graph; the cause is chained.
            MissingExtraError, OutputError: a Hub id, and huggingface_hub is not installed or its cache is not writable.
        """
        bundle = Bundle.open(path, revision=revision)
        name, variant = bundle.variant(_precision_for(bundle, device, precision))
        graph, lone = variant.graphs(cls.graph_kind)
        if graph is None:
            raise IncompatibleError(f"{path} has no classification head. Load it with Encoder.load({str(path)!r}).")
        bundle.fetch(bundle.files_for(variant))
        bundle.check(file for file in bundle.files_for(variant) if file != variant.weights)
        # Hashing the weights, creating the session and parsing the tokenizer take about as long each, and all but the
        # last leave Python free: they run side by side. Only the weights, which are numbers alone, are read unchecked.
        checking = _Background(lambda: bundle.check([variant.weights]))
        creating = _Background(lambda: _session(bundle, graph, lone, device, threads))
        tokenizer = bundle.tokenizer()
        checking.result()
        session = creating.result()
        expected = bundle.manifest.columns(cls.graph_kind)
        if session.columns != expected:
            what = "labels" if cls.graph_kind == "classifier" else "numbers per token"
            raise IncompatibleError(
                f"{path}: manifest.json says {expected} {what}, but {graph} answers {session.columns}. "
                "Export the bundle again."
            )
        return cls(bundle.manifest, name, device, tokenizer, session)

    @property
    def _tokenizer(self) -> Tokenizer:
        """The earlier name of `tokenizer`, which scripts in the field read."""
        return self.tokenizer

    def limited(self, max_tokens: int) -> Self:
        """The same model, not loaded again, that cuts texts at fewer tokens.

        Args:
            max_tokens: special tokens included, at most `manifest.max_tokens`.

        Raises:
            InputError: it is more than that, or has no room for the special tokens.
        """
        most = self.manifest.max_tokens
        max_tokens = whole_number(max_tokens, "max_tokens", f"a whole number from 1 to {most}, the model's limit", most)
        other = copy.copy(self)
        other.tokenizer = self.tokenizer.limited(max_tokens)
        return other


def _session(bundle: Bundle, graph: str, lone: str | None, device: Device, threads: int | None) -> Session:
    from .running.session import Session  # here, because importing onnxruntime takes as long as hashing small weights

    manifest = bundle.manifest
    return Session(
        bundle.path / graph,
        device=device,
        threads=threads,
        padding_id=manifest.padding_id if manifest.layout == "padded" else None,
        lone=bundle.path / lone if lone and device == "cuda" else None,
    )


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


class _Background(Generic[T]):
    """Work in a thread of its own, begun at once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result, self._error = self._work(), None
        except BaseException as error:  # raised again where the result is asked for
            self._error = error

    def result(self) -> T:
        """What the work returned; what it raised is raised here."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result
