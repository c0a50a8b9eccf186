"""`torchless rank`: documents by a query."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from torchless import Reranker
from torchless.cli import rank

Run = Callable[..., tuple[int, str, str]]

QUERY = "how was the film"
DOCUMENTS = ["the film was good", "naïve café ☕ 你好", "שלום עולם", "a film", "the film was good", "bad"]


@pytest.fixture(scope="module")
def expected(tiny_ranker: Path) -> list[tuple[int, float]]:
    return [(each.index, each.score) for each in Reranker.load(tiny_ranker).rank(QUERY, DOCUMENTS)]


def test_documents_are_printed_best_first(tiny_ranker: Path, run: Run, expected: list[tuple[int, float]]) -> None:
    code, out, err = run("rank", tiny_ranker, QUERY, *DOCUMENTS)
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"{score:.4f}\t{index}\t{DOCUMENTS[index]}" for index, score in expected]


def test_a_document_is_one_line_without_control_characters(tiny_ranker: Path, run: Run) -> None:
    _, out, _ = run("rank", tiny_ranker, QUERY, "two\tcolumns\n\nand \x1b[31m lines")
    assert out.rstrip("\n").split("\t")[2] == r"two columns and \x1b[31m lines"


@pytest.mark.parametrize("name", ["docs.jsonl", "docs.csv", "docs.txt"])
def test_files_are_ranked_in_json(
    tiny_ranker: Path, run: Run, tmp_path: Path, expected: list[tuple[int, float]], name: str
) -> None:
    rows = {
        "docs.jsonl": "".join(json.dumps({"body": text, "id": 5}) + "\n" for text in DOCUMENTS),
        "docs.csv": "id,body\n" + "".join(f'1,"{text}"\n' for text in DOCUMENTS),
        "docs.txt": "\n".join(DOCUMENTS),
    }
    (tmp_path / name).write_text(rows[name], encoding="utf-8")
    column = [] if name == "docs.txt" else ["--column", "body"]
    arguments = ("--input", tmp_path / name, *column, "--top-k", "4", "--json", "--output", tmp_path / "out")
    assert run("rank", tiny_ranker, QUERY, *arguments) == (0, "", "")
    lines = [json.loads(line) for line in (tmp_path / "out").read_text(encoding="utf-8").splitlines()]
    assert [(each["index"], each["document"]) for each in lines] == [
        (index, DOCUMENTS[index]) for index, _ in expected[:4]
    ]
    assert [each["score"] for each in lines] == pytest.approx([score for _, score in expected[:4]], abs=1e-6)


def test_of_many_chunks_the_best_are_kept(
    tiny_ranker: Path, run: Run, tmp_path: Path, sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [f"{sentence} {number}" for number in range(13) for sentence in sentences]  # three chunks
    (tmp_path / "docs.txt").write_text("\n".join(documents), encoding="utf-8")
    monkeypatch.setattr(rank, "_SPARE", 5)
    scores = Reranker.load(tiny_ranker, precision="fp32").score([(QUERY, document) for document in documents])
    code, out, _ = run(
        "rank", tiny_ranker, QUERY, "--input", tmp_path / "docs.txt", "--top-k", "7", "--json", "--precision", "fp32"
    )
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, len(lines)) == (0, 7)
    assert [each["score"] for each in lines] == pytest.approx(sorted(scores, reverse=True)[:7], abs=1e-6)
    for each in lines:
        assert each["document"] == documents[each["index"]]
        assert each["score"] == pytest.approx(scores[each["index"]], abs=1e-6)


def test_documents_come_from_stdin(tiny_ranker: Path, run: Run, stdin: Callable[[bytes], None]) -> None:
    stdin("\n".join(DOCUMENTS).encode())
    assert run("rank", tiny_ranker, QUERY, "-")[1] == run("rank", tiny_ranker, QUERY, *DOCUMENTS)[1]


def test_no_documents_print_nothing(tiny_ranker: Path, run: Run, stdin: Callable[[bytes], None]) -> None:
    stdin(b"")
    assert run("rank", tiny_ranker, QUERY, "-") == (0, "", "")


def test_it_says_how_many_documents_were_cut(tiny_ranker: Path, run: Run) -> None:
    code, out, err = run("rank", tiny_ranker, QUERY, "never again " * 60, "a", "--json", "--activation", "none")
    cut = {each["index"]: each["truncated"] for each in map(json.loads, out.splitlines())}
    assert (code, cut) == (0, {0: True, 1: False})
    assert "1 of 2 texts were truncated to 64 tokens" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((" ", "a"), "query: expected a str that is not blank"),
        ((QUERY,), "expected documents from one source: DOCUMENT arguments (- is stdin) or --input FILE"),
        ((QUERY, "a", "--input", "b.txt"), "expected documents from one source"),
        ((QUERY, "a", "--top-k", "0"), "expected a whole number of 1 or more, or all, got '0'"),
        ((QUERY, "a", "--column", "b"), "need --input FILE"),
        (("\udc80", "a"), "QUERY: lone surrogate"),
        ((QUERY, "\udc80"), "DOCUMENT 1: lone surrogate"),
    ],
)
def test_wrong_usage_has_its_own_message(
    tiny_ranker: Path, run: Run, arguments: tuple[str, ...], complaint: str
) -> None:
    code, out, err = run("rank", tiny_ranker, *arguments)
    assert (code, out) == (2, "")
    assert complaint in err


def test_a_model_that_does_not_rank_is_refused(tiny: Path, mini: Path, run: Run) -> None:
    code, _, err = run("rank", tiny, QUERY, "a")
    assert code == 1
    assert "tiny has 3 outputs" in err
    code, _, err = run("rank", mini, QUERY, "a")
    assert code == 1
    assert "reads single texts" in err


@pytest.mark.parametrize("output", [None, "vectors.jsonl", "vectors.npy"])
def test_a_reranker_is_not_asked_to_embed(tiny_ranker: Path, run: Run, tmp_path: Path, output: str | None) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a"}\n')
    wanted = ["--output", str(tmp_path / output)] if output else []
    code, out, err = run("embed", tiny_ranker, "--input", tmp_path / "texts.jsonl", *wanted)
    assert (code, out) == (1, "")
    assert "ranks documents" in err
    assert "--pooling mean" in err
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]
    assert run("embed", tiny_ranker, "--pooling", "mean", "a")[0] == 0
