"""One table of a data set, answered: what `torchless.ray` does with every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchless.inputs.column_names import first_present

from .answering import Answers, texts_of
from .arrow import arrow_array, arrow_field, pyarrow
from .arrow_rows import block_of, refuse_no_strings
from .columns import Column, refuse_collisions
from .questions import Respondent, prepared
from .rows import Wanted


def answered_table(
    table: Any, respondent: Respondent, columns: Sequence[Column], wanted: Wanted, error_column: str | None
) -> Any:
    """A pyarrow.Table with the answers as new columns, null where a row has none.

    Args:
        table: the rows.
        respondent: the model.
        columns: the new ones.
        wanted: which columns make a text.
        error_column: the name of one more column, which says why a row has no answer; None for none.

    Raises:
        InputError: a column is missing, holds no strings, or has the name of a new one.
        InferenceError: the model failed.
    """
    arrow = pyarrow("answering a table")
    added = [*columns, *([Column(error_column, "string")] if error_column else [])]
    refuse_collisions(added, table.column_names, "the data set")
    keys = [first_present(names, table.column_names, "the data set") for names in wanted.names()]
    for key in keys:
        refuse_no_strings(arrow, table.schema, key, "the data set")
    chunk = block_of(arrow, table, [table.column(key) for key in keys], wanted, "the data set")
    texts, wrong = prepared(respondent, texts_of(chunk))
    answers = Answers(chunk, respondent.answer(texts), wrong)
    values = list(answers.columns())
    if error_column:
        reasons = {place: problem.reason for place, problem in chunk.problems.items()} | answers.refused()
        values.append([reasons.get(place) for place in range(table.num_rows)])
    for column, each in zip(added, values, strict=True):
        table = table.append_column(arrow_field(arrow, column), arrow_array(arrow, each, column))
    return table
