"""TSV files, as data sets have them and as csv and pandas write them."""

from __future__ import annotations

import csv
import io
from itertools import islice, product

import pytest

from torchless.inputs.tsv import rows


def fields(data: str) -> list[list[str]]:
    """Those of every row below the header."""
    return [found for _, found in rows(iter(data.splitlines(keepends=True)))][1:]


def written(table: list[list[str]], end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter="\t", lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(
    "field",
    ['"good', 'he said ""no""', '5" tall', '"They were tossed," he said.', 'said "no"', '"', '"""', '"a"b"', '"a" "b"'],
)
def test_quotes_that_csv_would_not_have_written_are_part_of_a_text(field: str) -> None:
    assert fields(f"a\tb\n{field}\tx\n{field}\t{field}\n") == [[field, "x"], [field, field]]
    assert fields(f"a\n{field}\n{field}\n") == [[field], [field]]


@pytest.mark.parametrize(
    ("field", "text"), [('""', ""), ('"a"', "a"), ('""""', '"'), ('"he said ""no"""', 'he said "no"')]
)
def test_a_field_in_quotes_with_every_inner_one_doubled_is_taken_out(field: str, text: str) -> None:
    assert fields(f"a\tb\n{field}\t{field}\r\n") == [[text, text]]
    assert fields(f"a\n{field}\n") == [[text]]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_that_csv_writes_is_read(end: str, quoting: int) -> None:
    texts = ["plain", "", 'He said "no"', '"', "tab\there", '"\t"', "a\n\nb", '"a"\r\n"b"', "\n", "x\n\t\ty"]
    table = [["a", "b"], *([first, second] for first, second in product(texts, texts))]
    assert fields(written(table, end, quoting)) == table[1:]


def test_a_column_alone_has_tabs_and_empty_fields_but_no_line_ends() -> None:
    texts = ["plain", "", 'He said "no"', "tab\there"]
    assert fields(written([["text"], *([text] for text in texts)])) == [[text] for text in texts]
    assert fields('text\na\n\n"lone\nthe end"\n\n') == [["a"], [""], ['"lone'], ['the end"'], [""]]


def test_a_blank_line_between_several_columns_is_no_row() -> None:
    assert fields("a\tb\n\n1\t2\n\n") == [["1", "2"]]


def test_lone_quotes_join_no_rows() -> None:
    """Splitting a text into sentences leaves a quotation's first quote in one row and its last in another."""
    data = 'a\tb\n1\t"I went home.\n2\tThen I slept."\n"I went home.\t1\nThen I slept."\t2\n'
    assert fields(data) == [
        ["1", '"I went home.'],
        ["2", 'Then I slept."'],
        ['"I went home.', "1"],
        ['Then I slept."', "2"],
    ]


def test_a_row_is_given_without_a_look_at_the_next_line() -> None:
    def lines() -> object:
        yield from ["a\tb\n", 'x "y"\t"z"\n']
        raise AssertionError("looked further")

    assert [found for _, found in islice(rows(lines()), 2)] == [["a", "b"], ['x "y"', "z"]]  # type: ignore[arg-type]


def test_a_line_that_has_too_few_fields_is_a_row_of_its_own() -> None:
    found = list(rows(iter(["a\tb\n", '"never closed\n', "1\t2\n"])))
    assert found == [(1, ["a", "b"]), (2, ['"never closed']), (3, ["1", "2"])]


@pytest.mark.parametrize(
    ("bad", "row"),
    [
        ('1\t"x\ty', ["1", '"x', "y"]),  # a field too many
        ('"x', ['"x']),  # one too few
        ('1\t"x\n2', ["1", '"x']),  # complete, and the next line is not
        ('1\t"x\n2 "c" d', ["1", '"x']),  # and has quotes inside
        ('1\t"x\n2 c"d', ["1", '"x']),
    ],
)
def test_a_quote_that_nothing_closes_takes_no_other_rows(bad: str, row: list[str]) -> None:
    found = fields(f"a\tb\n{bad}\n3\tgood\n4\tbetter\n")
    assert found[0] == row
    assert found[-2:] == [["3", "good"], ["4", "better"]]
