"""The public surface, and what an import costs."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import get_type_hints

import pytest

import torchless
from torchless import errors
from torchless.cli import COMMANDS, EXIT_CODES, exit_code
from torchless.compat import pipeline
from torchless.serve import create_app
from torchless.serve.settings import Settings

ROOT = Path(__file__).parent.parent.parent
HEAVY = {
    "numpy",
    "onnxruntime",
    "tokenizers",
    "starlette",
    "uvicorn",
    "msgspec",
    "torch",
    "transformers",
    "onnx",
    "safetensors",
    "huggingface_hub",
}
FORBIDDEN = {"torch", "transformers", "onnx", "safetensors", "torchless_export", "torchless_bench"}


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has imported after running some code."""
    code += "\nimport sys, json; print('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_all_names_exist_and_are_sorted() -> None:
    assert torchless.__all__ == sorted(torchless.__all__)
    for name in torchless.__all__:
        assert getattr(torchless, name).__name__ == name
    assert set(torchless.__all__) <= set(dir(torchless))


def test_annotations_can_be_read() -> None:
    """As frameworks read them that make forms or commands of functions."""
    public = [getattr(torchless, name) for name in torchless.__all__]
    public += [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    public += [pipeline, create_app, Settings, *vars(Settings).values()]
    methods = [each for kind in public if isinstance(kind, type) for each in vars(kind).values()]
    for each in [*public, *methods]:
        function = getattr(each, "fget", None) or getattr(each, "__func__", each)
        if isinstance(function, type | FunctionType):
            get_type_hints(function)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        torchless.nope  # noqa: B018


def test_import_torchless_imports_nothing_heavy() -> None:
    assert not modules_after("import torchless, torchless.cli, torchless.compat") & HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: str) -> None:
    code = f"import torchless.cli\ntry: torchless.cli.main(['{command}', '--help'])\nexcept SystemExit: pass"
    assert not modules_after(code) & HEAVY


def test_predicting_imports_neither_torch_nor_its_friends(mini: Path) -> None:
    code = f"from torchless import Classifier, Encoder, verify\nverify({str(mini)!r})\n"
    code += f"Classifier.load({str(mini)!r}).predict(['x'])\nEncoder.load({str(mini)!r}).embed(['x'])\n"
    code += f"from torchless.compat import pipeline\npipeline(model={str(mini)!r})('x')"
    assert not modules_after(code) & FORBIDDEN


def test_predicting_works_where_torch_cannot_be_imported(mini: Path) -> None:
    block = "import sys\nfor name in ('torch', 'transformers', 'onnx', 'safetensors'): sys.modules[name] = None\n"
    modules_after(block + f"from torchless import Classifier\nClassifier.load({str(mini)!r}).predict(['x'])")


def test_every_error_is_drawn_in_the_tree_and_has_an_exit_code(our_errors: set[type[errors.TorchlessError]]) -> None:
    drawn = errors.__doc__ or ""
    assert len(our_errors) > 10
    for kind in our_errors:
        assert kind.__name__ in drawn
        assert kind.__doc__
        assert exit_code(kind.__new__(kind)) in (1, 2)
    assert set(EXIT_CODES.values()) == {1, 2}


def test_the_errors_are_within_reach_of_a_plain_import() -> None:
    code = "import torchless\nassert issubclass(torchless.errors.InputError, torchless.TorchlessError)"
    assert not modules_after(code) & HEAVY


def test_errors_are_also_what_a_caller_would_catch() -> None:
    assert issubclass(errors.BundleNotFoundError, FileNotFoundError)
    assert issubclass(errors.ManifestError, ValueError)
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.DeviceError, RuntimeError)
    assert issubclass(errors.InferenceError, RuntimeError)
    assert issubclass(errors.MissingExtraError, ImportError)


@pytest.mark.parametrize("module", ["torchless", "torchless.classifier", "torchless.compat", "torchless.encoder"])
def test_docstring_examples_are_true(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
