"""Files of tagged texts: CoNLL, and JSON with spans or with words and tags; each fault has its own error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InputError
from torchless_export import samples
from torchless_export.conll import is_conll
from torchless_export.samples import Columns
from torchless_export.tagging.entities import Scheme
from torchless_export.tagging.files import LabelledText, TaggedColumns, tagged

SCHEME = Scheme(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8", newline="")
    return folder / name


def read(path: Path, **columns: str) -> list[LabelledText]:
    return tagged(path, SCHEME, Columns(**columns)).tagged


@pytest.mark.parametrize(
    "content",
    [
        "Ada\tB-PER\nLovelace\tI-PER\nin\tO\nLondon\tB-LOC\n\n\nso\tO\n",
        "\ufeffAda\tB-PER\r\nLovelace\tI-PER\r\nin\tO\r\nLondon\tB-LOC\r\n\r\nso\tO",
        "-DOCSTART- -X- O\n\nAda NNP B-PER\nLovelace NNP I-PER\nin IN O\nLondon NNP B-LOC\n\nso RB O\n",
        "# id = 7\nAda _ _ B-PER\nLovelace _ _ I-PER\nin _ _ O\nLondon _ _ B-LOC\n   \n# id = 8\nso _ _ O\n",
    ],
    ids=["tabs", "mark and carriage returns", "columns", "comments"],
)
def test_conll_is_read_with_tabs_blanks_columns_and_comments(tmp_path: Path, content: str) -> None:
    first, second = read(write(tmp_path, "a.conll", content))
    assert first.text == "Ada Lovelace in London"
    assert first.entities == {(0, 12, "PER"), (16, 22, "LOC")}
    assert first.words == ((0, 3), (4, 12), (13, 15), (16, 22))
    assert second == LabelledText("so", frozenset(), ((0, 2),))


def test_a_number_sign_with_a_tag_is_a_token(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.conll", "#\tO\n#\tB-PER\n"))[0].entities == {(2, 3, "PER")}


def test_separators_of_unicode_are_part_of_a_token(tmp_path: Path) -> None:
    text = "a\u2028b\tB-PER\n\U0001f468\u200d\U0001f469 x\tO\n\u05e9\u05dc\u05d5\u05dd\tB-LOC\n"
    (only,) = read(write(tmp_path, "a.conll", text))
    assert only.text == "a\u2028b \U0001f468\u200d\U0001f469 x \u05e9\u05dc\u05d5\u05dd"
    assert only.entities == {(0, 3, "PER"), (10, 14, "LOC")}


def test_spans_are_read_in_any_order_and_without_blanks_at_their_ends(tmp_path: Path) -> None:
    row = {
        "text": " Ada  in London",
        "entities": [{"start": 8, "end": 15, "label": "LOC"}, {"start": 0, "end": 6, "label": "PER", "score": 1}],
    }
    (only,) = read(write(tmp_path, "a.jsonl", json.dumps(row) + "\n\n"))
    assert only == LabelledText(" Ada  in London", frozenset({(1, 4, "PER"), (9, 15, "LOC")}), None)
    assert read(write(tmp_path, "a.json", json.dumps([{"body": "x", "spans": []}])), text="body")[0].text == "x"


def test_words_have_tags_by_name_or_id(tmp_path: Path) -> None:
    rows = [
        {"tokens": ["Ada", "in"], "ner_tags": [1, 0]},
        {"words": ["Ada", "in"], "tags": ["B-PER", "O"]},
        {"text": "Ada  in", "tokens": ["Ada", "in"], "tags": ["B-PER", "O"]},
    ]
    first, second, third = read(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows))))
    assert first == second == third == LabelledText("Ada in", frozenset({(0, 3, "PER")}), ((0, 3), (4, 6)))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a\tO\nb\tB-MISC\n", "line 2: expected a tag of the model, O, B-PER, I-PER, B-LOC, I-LOC, got 'B-MISC'"),
        ("a\tO\n\nb\n", "line 3: expected a token and its tag, separated by a tab or blanks, got 'b' alone"),
        ("a\tO\nb\t\n", "line 2: expected a token and its tag, separated by a tab or blanks, got 'b' alone"),
        ("a\tO\n\tO\n", "line 2: expected a token and its tag, separated by a tab or blanks, got 'O' alone"),
        ("", "expected tagged texts, got none"),
        ("\n\n# only a comment\n", "expected tagged texts, got none"),
    ],
)
def test_faults_of_conll_are_named_with_their_line(tmp_path: Path, content: str, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"--evaluate .*a\.conll.*{complaint}"):
        read(write(tmp_path, "a.conll", content))


def span(start: Any, end: Any, label: Any = "PER") -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"text": "Ada", "spans": [span(0, 4)]}, r"line 1, spans\[0\]: expected .* from 0 to 3 .*, got 0 to 4"),
        ({"text": "Ada", "spans": [span(-1, 2)]}, r"spans\[0\]: expected a start and an end in the text"),
        ({"text": "Ada", "spans": [span(2, 2)]}, r"spans\[0\]: expected a start and an end in the text"),
        ({"text": "Ada", "spans": [span("0", True)]}, r"spans\[0\]: expected a start and an end in the text"),
        ({"text": "Ada in", "spans": [span(0, 3), span(2, 6)]}, "that do not overlap, got 0 to 3 and 2 to 6"),
        ({"text": "Ada", "spans": [span(0, 3, "B-PER")]}, r"expected a label of the model, PER, LOC, got 'B-PER'"),
        ({"text": "Ada", "spans": [span(0, 3, None)]}, r"expected a label of the model, PER, LOC, got None"),
        ({"text": "a  b", "spans": [span(1, 3)]}, "expected a part of the text, got blanks alone"),
        ({"text": "Ada", "spans": "none"}, "line 1, spans: expected a list, got str"),
        ({"text": "Ada", "spans": ["x"]}, r"spans\[0\]: expected an object with start, end and label, got str"),
        ({"text": "Ada", "label": "x"}, "expected spans or entities beside the text, .*, got text, label"),
        ({"text": ["Ada"], "spans": []}, "line 1, text: expected a string, got list"),
        ({"tokens": ["Ada", "in"], "tags": ["O"]}, "line 1, tags: expected 2 tags, one per token, got 1"),
        ({"tokens": ["Ada"], "tags": [5]}, r"tags\[0\]: expected a tag of the model, .*, got 5"),
        ({"tokens": ["Ada"], "tags": ["X"]}, r"tags\[0\]: expected a tag of the model, .*, got 'X'"),
        ({"tokens": ["Ada"]}, "expected a column tags or ner_tags or labels, got tokens"),
        ({"tokens": ["Ada", 3], "tags": ["O", "O"]}, r"line 1, tokens\[1\]: expected a string, got int"),
        ({"text": "\ud800", "spans": []}, "lone surrogate"),
        (["Ada"], "line 1: expected an object, got list"),
    ],
)
def test_faults_of_json_are_named_with_their_line(tmp_path: Path, row: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read(write(tmp_path, "a.jsonl", json.dumps(row)))


def test_a_file_that_cannot_be_read_and_one_without_tags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.conll: No such file"):
        read(tmp_path / "none.conll")
    with pytest.raises(InputError, match=r"this model labels tokens: CoNLL .* A \.csv file has none of these"):
        read(write(tmp_path, "a.csv", "text,label\na,b\n"))
    (tmp_path / "a.conll").write_bytes(b"\xff\tO\n")
    with pytest.raises(InputError, match=r"a\.conll, line 1: not UTF-8"):
        read(tmp_path / "a.conll")


def test_a_classifier_of_texts_refuses_tags(tmp_path: Path) -> None:
    content = "Ada\tB-PER\nLovelace\tI-PER\n"
    for name in ("a.conll", "a.txt", "a.tsv", "a"):
        with pytest.raises(InputError, match=r"this model classifies whole texts, got CoNLL, whose tags"):
            samples.labelled(write(tmp_path, name, content), ["no", "yes"])


def test_conll_is_known_by_its_name_or_by_its_lines(tmp_path: Path) -> None:
    assert not is_conll(write(tmp_path, "sst2.tsv", "sentence\tlabel\na fine film\t1\nso so\t0\n"))
    assert not is_conll(write(tmp_path, "a.txt", "One line.\nAnother one\n"))
    assert not is_conll(write(tmp_path, "b.txt", ""))
    assert not is_conll(write(tmp_path, "a.csv", "a\tO\n"))
    assert is_conll(write(tmp_path, "train.txt", "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n"))


def test_calibration_reads_the_texts_of_the_same_files(tmp_path: Path) -> None:
    rows = [{"text": "a b", "spans": "anything"}, {"tokens": ["c", "d"]}]
    columns = TaggedColumns()
    assert columns.of(write(tmp_path, "a.conll", "a\tX\nb\n\nc\tO\n"))[0] == ["a b", "c"]
    assert columns.of(write(tmp_path, "train.txt", "a O\nb O\n\nc O\n"))[0] == ["a b", "c"]
    assert columns.of(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows))))[0] == ["a b", "c d"]
    assert columns.of(write(tmp_path, "b.txt", "plain lines\nare texts\n"))[0] == ["plain lines", "are texts"]
    assert columns.of(write(tmp_path, "a.csv", "text\na b\n"))[0] == ["a b"]
