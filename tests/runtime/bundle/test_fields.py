"""JSON that has to be what its format says: every complaint names the file and the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from torchless.bundle.fields import Fields, parse
from torchless.errors import ManifestError

ROOT = {"a": {"n": 7, "x": 0.5, "yes": True, "t": "word", "l": ["p", "q"], "nothing": None}}


@pytest.fixture
def fields() -> Fields:
    return Fields("some.json", "", ROOT).mapping("a")


def test_a_field_comes_out_as_what_it_is(fields: Fields) -> None:
    assert fields.integer("n", 7, 7) == 7
    assert fields.number("x", 0, 1) == 0.5
    assert type(fields.number("n", 0, 9)) is float
    assert fields.boolean("yes") is True
    assert fields.text("t") == fields.choice("t", ("word", "other")) == fields.optional_text("t") == "word"
    assert fields.optional_text("nothing") is fields.optional_text("missing") is None
    assert fields.texts("l") == ["p", "q"]


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (lambda f: f.text("n"), "a.n: expected a string, got int 7."),
        (lambda f: f.text("missing"), "a.missing: expected a string, got nothing."),
        (lambda f: f.text("nothing"), "a.nothing: expected a string, got NoneType null."),
        (lambda f: f.integer("yes", 0, 9), "a.yes: expected a whole number, got bool true."),
        (lambda f: f.integer("n", 8, 9), "a.n: expected a whole number from 8 to 9, got int 7."),
        (lambda f: f.integer("x", 0, 9), "a.x: expected a whole number, got float 0.5."),
        (lambda f: f.number("x", 0.75, 1), "a.x: expected a number from 0.75 to 1, got float 0.5."),
        (lambda f: f.boolean("n"), "a.n: expected true or false, got int 7."),
        (lambda f: f.choice("t", ("b", "c")), "a.t: expected one of b, c, got 'word'."),
        (lambda f: f.sha256("t"), 'a.t: expected 64 hexadecimal digits, got str "word".'),
        (lambda f: f.mapping("l"), 'a.l: expected an object, got list ["p", "q"].'),
        (lambda f: f.items(), "a.n: expected an object, got int 7."),
    ],
)
def test_a_field_that_is_something_else_is_named_with_its_place(
    fields: Fields, read: Callable[[Fields], Any], complaint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(fields)
    assert str(caught.value) == f"some.json, {complaint} Export the bundle again."


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"{", "the file: expected JSON"),
        (b"\xff", "the file: expected JSON"),
        (b"[1]", "the file: expected an object, got list"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' is repeated"),
        (b'{"a": Infinity}', "Infinity is not a JSON number"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
    ],
)
def test_what_is_no_json_of_a_format_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(data, "some.json")
    assert str(caught.value).startswith("some.json, ")
    assert complaint in str(caught.value)
