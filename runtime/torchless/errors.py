"""Everything Torchless raises on purpose.

    TorchlessError
    ├── BundleError
    │   ├── BundleNotFoundError  (also FileNotFoundError)
    │   ├── ManifestError        (also ValueError)
    │   ├── IntegrityError
    │   ├── IncompatibleError
    │   └── VerificationError
    ├── InputError               (also ValueError)
    ├── DeviceError              (also RuntimeError)
    ├── InferenceError           (also RuntimeError)
    ├── OutputError              (also OSError)
    ├── HubError                 (also OSError)
    ├── MissingExtraError        (also ImportError)
    └── ExportError              (torchless_export.errors)

Where a standard class says the same, an error inherits it too. Each builds its message from facts: what, where,
expected, got, what to do. All can be pickled, so that they cross from one process to another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class TorchlessError(Exception):
    """Base of every error that Torchless raises on purpose."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way calls the class with the message; ours take facts. errno, filename and name are no part
        # of __dict__.
        kept = {name: getattr(self, name) for name in ("errno", "filename", "name") if hasattr(self, name)}
        return _rebuilt, (type(self), self.args, {**self.__dict__, **kept})


def _rebuilt(kind: type[TorchlessError], arguments: tuple[object, ...], state: dict[str, object]) -> TorchlessError:
    error = kind.__new__(kind)
    error.args = arguments
    for name, value in state.items():
        setattr(error, name, value)
    return error


class BundleError(TorchlessError):
    """A bundle cannot be used."""


class BundleNotFoundError(BundleError, FileNotFoundError):
    """There is no bundle at that place."""

    def __init__(self, name: str | os.PathLike[str], problem: str, advice: str | None = None) -> None:
        advice = advice or (
            f"A bundle is a folder with a manifest.json; make one with: torchless export CHECKPOINT {shortened(name)}"
        )
        super().__init__(f"no bundle at {shortened(name)}: {problem}. {advice}")


class ManifestError(BundleError, ValueError):
    """A field of manifest.json or of golden.json is missing or wrong."""

    def __init__(self, where: str, expected: str, got: str, file: str = "manifest.json") -> None:
        super().__init__(f"{file}, {where}: expected {expected}, got {got}. Export the bundle again.")


class IntegrityError(BundleError):
    """A file of the bundle is not the file that was exported."""

    def __init__(
        self, path: os.PathLike[str], expected: str, got: str, advice: str = "Copy the bundle again or export it again."
    ) -> None:
        super().__init__(f"{path} was altered or damaged: expected {expected}, got {got}. {advice}")


class IncompatibleError(BundleError):
    """The bundle is sound, but not for this call or this version of Torchless."""


class VerificationError(BundleError):
    """The bundle answers differently here than where it was exported."""

    def __init__(self, path: os.PathLike[str], findings: Iterable[str]) -> None:
        super().__init__(f"{path} does not answer as it did where it was exported: " + "; ".join(findings))


class InputError(TorchlessError, ValueError):
    """An argument is not what the call takes."""


class DeviceError(TorchlessError, RuntimeError):
    """The device that was asked for cannot run this bundle."""


class InferenceError(TorchlessError, RuntimeError):
    """A text could not be tokenised, onnxruntime refused a batch, or an answer has NaN, infinity or another shape."""


class OutputError(TorchlessError, OSError):
    """A result could not be written; a file or bundle that stood there before is unchanged."""

    def __init__(self, path: os.PathLike[str], cause: OSError) -> None:
        super().__init__(f"cannot write {path}: {cause.strerror or cause}. Nothing was changed there.")
        self.errno, self.filename = cause.errno, str(path)


class HubError(TorchlessError, OSError):
    """A bundle could not be pushed to the Hub."""

    def __init__(self, name: str, problem: str, advice: str) -> None:
        super().__init__(f"cannot push to {name}: {problem}. {advice}")


class MissingExtraError(TorchlessError, ImportError):
    """A call needs packages of an extra that is not installed."""

    def __init__(self, caller: str, package: str, extra: str) -> None:
        advice = f"pip install 'torchless[{extra}]' (from a clone: pip install '.[{extra}]')"
        super().__init__(f"{caller} needs {package}: {advice}", name=package)


@contextmanager
def needs_extra(caller: str, extra: str, *packages: str) -> Iterator[None]:
    """Say what to install where an import in the block finds no package; a broken one keeps its own traceback.

    Args:
        caller: what needs the extra.
        extra: its name.
        packages: those of the extra; none for an extra whose packages import others of it, so that any may be missing.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        from importlib.util import find_spec

        package = (error.name or "").partition(".")[0] if packages else error.name
        if not package or (packages and (package not in packages or find_spec(package))):
            raise
        raise MissingExtraError(caller, package, extra) from error


def is_foreign(error: BaseException) -> bool:
    """Whether an error is one that a call turns into one of ours: neither ours already nor a wish to end the program.

    A panic in a library written in Rust is no `Exception`: pyo3 raises it as a BaseException of its own.
    """
    if isinstance(error, TorchlessError):
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def shown(value: object) -> str:
    """A value on one line of an error message: as Python writes it, cut to 80 characters."""
    try:
        text = repr(value)
    except Exception:  # a number of 5,000 digits, or whatever a class does there
        text = f"an object of type {type(value).__name__}"
    if "\n" in text:  # an array
        text = " ".join(text.split())
    return shortened(text, 80)


def shortened(name: object, most: int = 300) -> str:
    """A name or path, cut where it is longer than any that somebody gave to a file."""
    text = str(name)
    return text if len(text) <= most else text[: most - 3] + "..."
