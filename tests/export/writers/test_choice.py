"""Which writer takes which architecture, and what the choice was called before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.cli import main
from torchless.errors import InputError, MissingExtraError
from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, UnsupportedModelError
from torchless_export.old_spellings import ways
from torchless_export.writers import choose, optimum

Configure = Callable[..., None]


def refused(folder: Path, out: Path, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        export(folder, out)
    assert not out.exists()


def test_an_unknown_architecture_names_the_known_ones(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(model_type="t5")
    with pytest.raises(UnsupportedModelError, match=r"expected one of .*distilbert.*, got 't5'.*optimum"):
        export(broken, tmp_path / "out", graph="packed")
    assert not (tmp_path / "out").exists()


def test_an_unknown_architecture_without_optimum_says_what_to_install(
    broken: Path, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(model_type="t5")
    monkeypatch.setattr(optimum, "is_installed", lambda: False)
    both = r"pip install 'torchless\[optimum\]' \(from a clone: pip install '\.\[optimum\]'\)"
    refused(broken, tmp_path / "out", MissingExtraError, rf"'t5' is not one of .*{both}")


@pytest.mark.parametrize(
    ("keywords", "advice"),
    [
        ({}, r"Exporting it as it is needs optimum-onnx: pip install"),
        ({"precisions": ["fp32", "int8"]}, r"With --precision fp32, optimum writes the graphs\."),
        ({"graph": "packed"}, r"Use --graph optimum\."),
    ],
)
def test_a_setting_that_a_family_does_not_implement_says_what_would_export_it(
    broken: Path,
    configure: Configure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keywords: dict[str, Any],
    advice: str,
) -> None:
    configure(activation="silu")
    monkeypatch.setattr(optimum, "is_installed", lambda: False)
    with pytest.raises(UnsupportedModelError, match=rf"activation: expected one of gelu, .*, got 'silu'\. {advice}"):
        export(broken, tmp_path / "out", **keywords)


FAMILY, FOREIGN = "distilbert", "t5"


def chosen(broken: Path, configure: Configure, architecture: str, engine: str | None, graph: str | None) -> str:
    configure(model_type=architecture)
    return choose(Checkpoint.open(str(broken)), ways(engine, graph))


@pytest.mark.parametrize(
    ("engine", "graph", "architecture", "expected"),
    [
        (None, "auto", FAMILY, "packed"),
        (None, None, FAMILY, "packed"),
        (None, "auto", FOREIGN, "optimum"),
        (None, "packed", FAMILY, "packed"),
        (None, "padded", FAMILY, "padded"),
        (None, "padded", FOREIGN, "optimum"),
        (None, "optimum", FAMILY, "optimum"),
        # in the spellings of earlier versions
        (None, "lean", FAMILY, "packed"),
        (None, "standard", FAMILY, "padded"),
        (None, "standard", FOREIGN, "optimum"),
        ("auto", None, FOREIGN, "optimum"),
        ("lean", None, FAMILY, "packed"),
        ("lean", "lean", FAMILY, "packed"),
        ("lean", "standard", FAMILY, "padded"),
        ("optimum", None, FAMILY, "optimum"),
        ("optimum", "standard", FAMILY, "optimum"),
    ],
)
def test_one_choice_says_what_two_said(
    broken: Path,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    engine: str | None,
    graph: str | None,
    architecture: str,
    expected: str,
) -> None:
    monkeypatch.setattr(optimum, "is_installed", lambda: True)
    assert chosen(broken, configure, architecture, engine, graph) == expected


@pytest.mark.parametrize(
    ("engine", "graph", "error", "complaint"),
    [
        (None, "packed", UnsupportedModelError, "got 't5'. Use --graph optimum"),
        (None, "lean", UnsupportedModelError, "got 't5'"),
        ("lean", None, UnsupportedModelError, "got 't5'"),
        ("lean", "standard", UnsupportedModelError, "got 't5'"),
        ("optimum", "lean", InputError, "optimum writes padded graphs only"),
        ("lean", "optimum", InputError, "lean does not write optimum's graphs"),
        (None, "flat", InputError, "graph: expected one of auto, packed, padded, optimum, got 'flat'"),
        ("ort", None, InputError, "engine: expected one of auto, lean, optimum, got 'ort'"),
    ],
)
def test_a_choice_that_nothing_fits_is_refused(
    broken: Path,
    configure: Configure,
    engine: str | None,
    graph: str | None,
    error: type[Exception],
    complaint: str,
) -> None:
    with pytest.raises(error, match=complaint):
        chosen(broken, configure, FOREIGN, engine, graph)


@pytest.mark.parametrize(
    ("keywords", "advice"),
    [
        ({"engine": "lean"}, "^engine lean: .* Use graph packed instead"),
        ({"engine": "auto"}, "^engine auto: .* Use graph auto instead"),
        ({"graph": "standard"}, "^graph standard: .* Use graph padded instead"),
        ({"engine": "lean", "graph": "standard"}, "^engine lean and graph standard: .* Use graph padded instead"),
        ({"engine": "optimum", "graph": "standard"}, "Use graph optimum instead"),
    ],
)
def test_an_old_spelling_works_and_warns(tmp_path: Path, keywords: dict[str, Any], advice: str) -> None:
    with pytest.warns(FutureWarning, match=advice) as caught, pytest.raises(CheckpointError, match="no checkpoint at"):
        export(tmp_path / "nowhere", tmp_path / "out", **keywords)
    assert caught[0].filename == __file__


def test_an_old_spelling_makes_the_bundle_that_the_new_one_makes(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="Use graph padded"):
        export(checkpoint, tmp_path / "old", precisions=["fp32"], graph="standard")
    export(checkpoint, tmp_path / "new", precisions=["fp32"], graph="padded")
    old, new = (sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("old", "new"))
    assert [path.relative_to(tmp_path / "old") for path in old] == [path.relative_to(tmp_path / "new") for path in new]
    assert [path.read_bytes() for path in old] == [path.read_bytes() for path in new]


def test_the_command_line_says_once_what_to_write_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = ["--engine", "lean", "--graph", "standard"]
    assert main(["export", str(tmp_path / "nowhere"), str(tmp_path / "out"), *old]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("torchless: --engine lean and --graph standard: ")
    assert first.endswith("Use --graph padded instead.")
    assert "no checkpoint at" in second
    assert main(["export", "checkpoint", "out", "--engine", "optimum", "--graph", "lean"]) == 2
    (complaint,) = capsys.readouterr().err.splitlines()
    assert "optimum writes padded graphs only" in complaint
    with pytest.raises(SystemExit):
        main(["export", "checkpoint", "out", "--graph", "flat"])
    assert "--graph: expected one of auto, packed, padded, optimum, got 'flat'" in capsys.readouterr().err
