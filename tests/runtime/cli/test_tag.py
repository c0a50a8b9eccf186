"""`torchless tag`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from torchless import TokenClassifier

Run = Callable[..., tuple[int, str, str]]
TEXT = "Anna \U0001f600 went\nto Paris"


def brackets(tagger: TokenClassifier, text: str) -> str:
    made, place = "", 0
    for span in tagger.tag([text])[0]:
        made += f"{text[place : span.start]}[{span.label} {text[span.start : span.end]}]"
        place = span.end
    return (made + text[place:]).replace("\n", " ") + "\n"


def test_spans_stand_in_brackets_where_there_is_no_terminal(run: Run, tiny_tagger: Path) -> None:
    tagger = TokenClassifier.load(tiny_tagger)
    assert run("tag", tiny_tagger, TEXT, "x") == (0, brackets(tagger, TEXT) + brackets(tagger, "x"), "")


def test_json_has_the_library_s_spans(run: Run, tiny_tagger: Path) -> None:
    code, out, _ = run("tag", tiny_tagger, TEXT, "--json", "--aggregation", "none", "--ignore-labels", "O, B-PER")
    (spans,) = TokenClassifier.load(tiny_tagger).tag([TEXT], aggregation="none", ignore_labels=["O", "B-PER"])
    found = json.loads(out)
    assert (code, found["text"], found["truncated"], found["windows"]) == (0, TEXT, False, 1)
    assert [(each["label"], each["start"], each["end"], each["word"]) for each in found["spans"]] == [
        (span.label, span.start, span.end, span.word) for span in spans
    ]


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_shows_colours_unless_they_are_not_wanted(
    run: Run, tiny_tagger: Path, monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    _, out, _ = run("tag", tiny_tagger, "Anna went to Paris")
    assert ("\x1b[" in out, "[PER" in out) == (coloured, not coloured)


def test_control_characters_of_a_text_reach_no_terminal(run: Run, tiny_tagger: Path) -> None:
    assert "\x1b" not in run("tag", tiny_tagger, "a \x1b[31m b\r")[1]


def test_long_texts_are_said(run: Run, tiny_tagger: Path, long_text: str) -> None:
    _, whole, said = run("tag", tiny_tagger, long_text, "--json")
    assert json.loads(whole)["windows"] == 5
    assert said == "torchless: 1 of 1 texts were read in several windows\n"
    _, cut, said = run("tag", tiny_tagger, long_text, "--json", "--truncate")
    assert json.loads(cut)["truncated"] is True
    assert said == "torchless: 1 of 1 texts were truncated to 64 tokens\n"


def test_a_file_s_column_is_read_and_a_file_written(run: Run, tiny_tagger: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,body\n1,Anna\n2,Bob\n")
    options = ["--input", tmp_path / "in.csv", "--column", "body", "--json", "--output", tmp_path / "out.jsonl"]
    assert run("tag", tiny_tagger, *options) == (0, "", "")
    assert [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["Anna", "Bob"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("a", "--stride", "62"), 2, "stride: expected less than the 62 tokens"),
        (("a", "--stride", "3", "--truncate"), 2, "expected --stride or --truncate, not both"),
        (("a", "--pair", "b"), 2, "unrecognized arguments: --pair"),
        (("a", "--aggregation", "best"), 2, "invalid choice: 'best'"),
    ],
)
def test_wrong_usage_is_named(run: Run, tiny_tagger: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    found, _, error = run("tag", tiny_tagger, *arguments)
    assert found == code
    assert said in error


def test_each_command_names_the_other_for_a_bundle_of_the_other_kind(run: Run, tiny: Path, tiny_tagger: Path) -> None:
    assert run("predict", tiny_tagger, "a")[2].endswith("or run: torchless tag\n")
    assert run("tag", tiny, "a")[2].endswith("or run: torchless predict\n")


def test_info_says_what_a_bundle_is(run: Run, tiny: Path, tiny_tagger: Path) -> None:
    assert "kind         token classifier: labels for the tokens of texts" in run("info", tiny_tagger)[1]
    assert "kind         classifier: labels for texts" in run("info", tiny)[1]
