"""JSON files: one object per line, or an array of objects."""

from __future__ import annotations

import io
import json

import pytest

from torchless.errors import InputError
from torchless.inputs.json_rows import from_json
from torchless.inputs.text_files import LABEL_COLUMNS, TEXT_COLUMNS

OBJECTS = [{"text": "What a delight", "label": 1}, {"label": 0, "text": "[\u00e9]\n"}]


def texts(data: str) -> list[tuple[str, ...]]:
    return list(from_json(io.BytesIO(data.encode()), "a.json", (TEXT_COLUMNS, LABEL_COLUMNS)))


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "\ufeff\n \r\n" + json.dumps(OBJECTS, ensure_ascii=False, indent=1).replace("\n", "\r\n"),
        "\n".join(map(json.dumps, OBJECTS)),
        "\n\n" + "\r\n\r\n".join(map(json.dumps, OBJECTS)) + "\n",
    ],
)
def test_an_array_and_lines_are_told_apart_by_what_they_begin_with(data: str) -> None:
    assert texts(data) == [("What a delight", "1"), ("[\u00e9]\n", "0")]


@pytest.mark.parametrize("data", ["", "\n \n", "[]", "[\n]\n"])
def test_a_file_without_objects_has_no_rows(data: str) -> None:
    assert texts(data) == []


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ('{\n "text": "x"\n}', r"a\.json, line 1: not JSON .* Expected an array of objects, or one object per line\."),
        ('\n[\n{"text": "x"},\n{"text"}]', r"a\.json, line 4: not JSON"),
        ('[{"text": "x", "label": 1}]\n[]', r"a\.json, line 2: not JSON \(Extra data"),
        ('["x"]', r"a\.json, item 1: expected an object, got str"),
        ('[{"text": "x", "label": 1}, {}]', r"a\.json, item 2: expected a column text or sentence, got none"),
        ('[{"text": null, "label": 1}]', r"a\.json, item 1, text: expected a string, got NoneType"),
        ('{"text": {"0": "x"}, "label": {"0": 1}}', r"a\.json, line 1, text: expected a string, got dict"),
        ("[" * 100_000, r"a\.json: not JSON"),
        ('"x"\n', r"a\.json, line 1: expected an object, got str"),
    ],
)
def test_what_is_neither_is_named_with_its_place(data: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        texts(data)
