"""examples/redact.py, as people run it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchless import TokenClassifier

SCRIPT = Path(__file__).parents[2] / "examples" / "redact.py"
LINES = [
    "Anna went to Paris \U0001f600 with Bob.\r\n",
    "\n",
    "caf\u0065\u0301 and \u05e9\u05dc\u05d5\u05dd\n",
    "a b " * 200,
]


def test_it_replaces_what_it_finds_and_keeps_every_place(
    run: Callable[..., Any], tmp_path: Path, tiny_tagger: Path
) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes("".join(LINES).encode())
    done = run(SCRIPT, source, target, "--labels", "PER")
    assert (done.returncode, done.stdout) == (0, "")
    after = target.read_bytes().decode().splitlines(keepends=True)
    expected = [
        (number, span.start, span.end)
        for number, spans in enumerate(TokenClassifier.load(tiny_tagger).tag(LINES, aggregation="first"), 1)
        for span in spans
        if span.label == "PER"
    ]
    notes = [json.loads(line) for line in (tmp_path / "out.txt.spans.jsonl").read_text().splitlines()]
    assert [(note["line"], note["start"], note["end"]) for note in notes] == expected
    assert any(number == 4 and start > 200 for number, start, _ in expected)
    assert done.stderr == f"{len(expected)} parts taken out\n"
    assert list(map(len, after)) == list(map(len, LINES))
    gone = {(number, place) for number, start, end in expected for place in range(start, end)}
    for number, (line, kept) in enumerate(zip(LINES, after, strict=True), 1):
        assert kept == "".join("\u2588" if (number, place) in gone else one for place, one in enumerate(line))


def test_a_model_of_another_kind_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a")
    done = run(SCRIPT, tmp_path / "in.txt", tmp_path / "out.txt", "--model", "models/sst2-mini")
    assert done.returncode == 1
    assert "labels whole texts, not tokens" in done.stderr
    assert len(done.stderr.splitlines()) == 1
