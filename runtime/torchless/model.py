"""What `Classifier`, `TokenClassifier` and `Encoder` share: a bundle's graph, checked, loaded and ready to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, get_args

from .bundle.bundle import Bundle
from .bundle.manifest import TOKENIZER, GraphKind, Manifest, Precision, Variant
from .errors import BundleError, DeviceError, IncompatibleError, InputError, IntegrityError, is_foreign, shown
from .inputs.arguments import choice, whole_number
from .inputs.tokens import Tokenizer
from .lazy import Lazy
from .running.threads import started

if TYPE_CHECKING:
    from .running import graph_file as graph_files
    from .running import session as sessions
else:  # importing onnxruntime takes as long as hashing small weights, which is done meanwhile
    sessions = Lazy("torchless.running.session")
    graph_files = Lazy("torchless.running.graph_file")

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
        self, manifest: Manifest, precision: Precision, device: Device, tokenizer: Tokenizer, session: sessions.Session
    ) -> None:
        self.manifest = manifest
        self.precision = precision
        self.device = device
        self.tokenizer = tokenizer
        self.session = session
        self._origin: _Origin | None = None

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
            IncompatibleError: the bundle is of another kind (the message names the class that loads it), or has not
                that precision.
            InputError: precision, device or threads is not one of those above, or a revision of what has none.
            DeviceError: the device is not there, or has no kernels for the precision.
            InferenceError: onnxruntime cannot load the graph; the cause is chained.
            MissingExtraError, OutputError: a Hub id, and huggingface_hub is not installed or its cache is not writable.
        """
        bundle = Bundle.open(path, revision=revision)
        return cls.from_bundle(bundle, precision=precision, device=device, threads=threads)

    @classmethod
    def from_bundle(
        cls, bundle: Bundle, *, precision: str = "auto", device: Device = "cpu", threads: int | None = None
    ) -> Self:
        """Load a bundle that is open: the files that it checks, and no others, whatever their names mean by now.

        Args:
            bundle: it may be loaded several times; its weights are mapped once.
            precision: as in `load`.
            device: as in `load`.
            threads: as in `load`.

        Raises:
            TorchlessError: as in `load`.
        """
        if not isinstance(bundle, Bundle):
            raise InputError(f"bundle: expected a Bundle, got {shown(bundle)}.")
        try:
            return cls._loaded(bundle, precision, device, threads)
        except BaseException as error:
            if is_foreign(error):
                raise BundleError(f"{bundle.path} cannot be loaded: {type(error).__name__}: {error}.") from error
            raise

    @classmethod
    def _loaded(cls, bundle: Bundle, precision: str, device: Device, threads: int | None) -> Self:
        device = choice(device, "device", get_args(Device))
        name, variant = bundle.variant(_precision_for(bundle, device, precision))
        graph, lone = variant.graphs(cls.graph_kind)
        if graph is None:
            raise _wrong_kind(bundle, variant.kind)
        files = bundle.files_for(variant)
        bundle.fetch(files)
        for file in (each for each in files if each not in (variant.weights, graph, lone, TOKENIZER)):
            bundle.check([file])  # those are compared as they are read
        # Hashing the weights, creating the session and parsing the tokenizer take about as long each, and all but the
        # last leave Python free: they run side by side. Only the weights, which are numbers alone, are read unchecked.
        made = (
            _graph(bundle, variant, graph),
            _graph(bundle, variant, lone) if lone and device == "cuda" else None,
        )
        checking = _Background(lambda: bundle.check([variant.weights]))
        creating = _Background(lambda: cls._session(bundle.manifest, *made, device, threads))
        tokenizer = bundle.tokenizer()
        checking.result()
        session = creating.result()
        bundle.refuse_change(files)
        expected = bundle.manifest.columns(cls.graph_kind)
        if session.columns != expected:
            what = "numbers per token" if cls.graph_kind == "encoder" else "labels"
            raise IncompatibleError(
                f"{bundle.path}: manifest.json says {expected} {what}, but {graph} answers {session.columns}. "
                "Export the bundle again."
            )
        model = cls(bundle.manifest, name, device, tokenizer, session)
        model._origin = {"folder": bundle.resolved, "digest": bundle.digest, "max_tokens": None}
        model._origin |= {"precision": name, "device": device, "threads": threads}
        return model

    @classmethod
    def _session(
        cls, manifest: Manifest, graph: _Read, lone: _Read | None, device: Device, threads: int | None
    ) -> sessions.Session:
        return sessions.Session(
            graph_files.GraphFile(*graph),
            device=device,
            threads=threads,
            padding_id=manifest.padding_id if manifest.layout == "padded" else None,
            lone=graph_files.GraphFile(*lone) if lone else None,
            rows="texts" if cls.graph_kind == "classifier" else "tokens",
        )

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
        other = self.__copy__()
        origin = self._origin and {**self._origin, "max_tokens": max_tokens}
        vars(other).update(tokenizer=self.tokenizer.limited(max_tokens), _origin=origin)
        return other

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Loaded from its folder again where it arrives, if the same bundle is still there."""
        if self._origin is None:
            raise IncompatibleError("only models made by load or from_bundle can be pickled.")
        return _reloaded, (type(self), self._origin)


_Read = tuple[Path, bytes, Any, str]  # what a GraphFile is made of, read before onnxruntime is imported


_Origin = dict[str, Any]  # where a model comes from, to load it again in another process: arguments of _reloaded


def _reloaded(kind: type[Model], origin: _Origin) -> Model:
    folder, digest, max_tokens = (origin[name] for name in ("folder", "digest", "max_tokens"))
    bundle = Bundle.open(folder)
    if bundle.digest != digest:
        raise IntegrityError(folder, f"the bundle of sha256 {digest}", bundle.digest, "Load it by name.")
    model = kind.from_bundle(bundle, precision=origin["precision"], device=origin["device"], threads=origin["threads"])
    return model if max_tokens is None else model.limited(max_tokens)


def _graph(bundle: Bundle, variant: Variant, name: str) -> _Read:
    location = variant.weights.rpartition("/")[2]  # a graph names the file beside it
    return bundle.path / name, bundle.read(name), bundle.mapped(variant.weights), location


def _wrong_kind(bundle: Bundle, kind: GraphKind) -> IncompatibleError:
    problem, loader, command = {
        "classifier": ("labels whole texts, not tokens", "Classifier", "predict"),
        "token_classifier": ("labels tokens, not whole texts", "TokenClassifier", "tag"),
        "encoder": ("has no classification head", "Encoder", "embed"),
    }[kind]
    path = str(bundle.path)
    return IncompatibleError(f"{path} {problem}. Load it with {loader}.load({path!r}), or run: torchless {command}")


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
        self._thread = started(self._run)

    def _run(self) -> None:
        try:
            self._result, self._error = self._work(), None
        except BaseException as error:  # raised again where the result is asked for
            self._error = error

    def result(self) -> T:
        """What the work returned; what it raised is raised here."""
        if self._thread is None:  # while Python ends no thread can be started
            self._run()
        else:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result
