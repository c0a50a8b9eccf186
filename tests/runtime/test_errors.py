"""The errors themselves: messages, and the way from one process to another."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from torchless import errors

EXAMPLES = [
    errors.TorchlessError("what"),
    errors.BundleError("what"),
    errors.BundleNotFoundError(Path("here"), "nothing is there"),
    errors.ManifestError("labels", "a list", "a string"),
    errors.IntegrityError(Path("here"), "1 byte", "2 bytes"),
    errors.IncompatibleError("what"),
    errors.VerificationError(Path("here"), ["a", "b"]),
    errors.InputError("what"),
    errors.DeviceError("what"),
    errors.InferenceError("what"),
    errors.OutputError(Path("here"), OSError(28, "No space left on device")),
    errors.HubError("org/name", "the Hub is out of reach", "Check the connection."),
    errors.MissingExtraError("torchless export", "torch", "export"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_crosses_from_one_process_to_another(error: errors.TorchlessError) -> None:
    error.add_note("seen on the way")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)


def test_every_error_has_an_example_here(our_errors: set[type[errors.TorchlessError]]) -> None:
    assert our_errors == {type(error) for error in EXAMPLES}


def test_an_output_error_keeps_what_the_system_said() -> None:
    error = errors.OutputError(Path("here"), OSError(28, "No space left on device"))
    for known in (error, pickle.loads(pickle.dumps(error))):
        assert (known.errno, known.filename) == (28, "here")
        assert str(known) == "cannot write here: No space left on device. Nothing was changed there."


def test_a_missing_package_of_an_extra_says_what_to_install() -> None:
    advice = r"pip install 'torchless\[wish\]' \(from a clone: pip install '\.\[wish\]'\)"
    for packages in (("other", "no_such_package"), ()):
        with (
            pytest.raises(errors.MissingExtraError, match=rf"^a call needs no_such_package: {advice}$"),
            errors.needs_extra("a call", "wish", *packages),
        ):
            import_module("no_such_package")


@pytest.mark.parametrize(
    "broken",
    [
        lambda: import_module("json.no_such_module"),
        lambda: import_module("no_such_package"),
        lambda: import_module("json").no_such_name,
    ],
    ids=["a package without one of its modules", "a package of no extra", "another error"],
)
def test_a_package_that_is_there_and_broken_keeps_its_own_error(broken: Callable[[], object]) -> None:
    with (
        pytest.raises((ModuleNotFoundError, AttributeError), match="no_such"),
        errors.needs_extra("a call", "wish", "json"),
    ):
        broken()
