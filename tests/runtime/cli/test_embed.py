"""`torchless embed`: vectors as JSON lines or as one array."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchless import Encoder
from torchless.cli import main

Run = Callable[..., tuple[int, str, str]]


def test_embed_says_how_many_texts_were_cut(tiny: Path, run: Run) -> None:
    code, _, err = run("embed", tiny, "good", "! " * 100)
    assert code == 0
    assert "1 of 2 texts were truncated to 64 tokens" in err


def test_embed_prints_a_vector_a_line(tiny: Path, run: Run) -> None:
    code, out, _ = run("embed", tiny, "good", "bad", "--pooling", "cls")
    assert code == 0
    rows = np.array([json.loads(line) for line in out.splitlines()], np.float32)
    np.testing.assert_array_equal(rows, Encoder.load(tiny).embed(["good", "bad"], pooling="cls"))


def test_embed_writes_one_array(tiny: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "vectors.npy"
    code, printed, _ = run("embed", tiny, "good", "bad", "--output", out, "--no-normalize")
    assert (code, printed) == (0, "")
    np.testing.assert_array_equal(np.load(out), Encoder.load(tiny).embed(["good", "bad"], normalize=False))
    with pytest.raises(SystemExit):
        main(["embed", str(tiny), "good", "--output", "vectors.txt"])
    assert "expected a name that ends in .npy, got 'vectors.txt'" in capsys.readouterr().err


def test_an_array_of_many_texts_is_written_piece_by_piece(tiny: Path, tmp_path: Path, run: Run) -> None:
    texts = [f"text number {number}" for number in range(2500)]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    out = tmp_path / "vectors.npy"
    assert run("embed", tiny, "--input", tmp_path / "texts.txt", "--output", out)[0] == 0
    found = np.load(out, mmap_mode="r")
    assert (found.dtype, found.flags.c_contiguous) == (np.dtype("<f4"), True)
    np.testing.assert_allclose(found, Encoder.load(tiny).embed(texts), atol=1e-6)


def test_embedding_no_texts_writes_an_empty_array(
    tiny: Path, tmp_path: Path, run: Run, stdin: Callable[[bytes], None]
) -> None:
    stdin(b"")
    assert run("embed", tiny, "-", "--output", tmp_path / "none.npy")[0] == 0
    assert np.load(tmp_path / "none.npy").shape == (0, 32)
