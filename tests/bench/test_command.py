"""What the command line refuses and offers."""

from __future__ import annotations

import argparse

import pytest

from torchless.errors import InputError
from torchless_bench import command
from torchless_bench.random_distilbert import SHAPES


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("arguments", [(), ("model",), ("model", "--shape", "tiny", "--against", "x")])
def test_a_command_line_that_names_no_model_or_two_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="MODEL"):
        command.run(parse(*arguments))


def test_the_command_offers_every_shape_there_is() -> None:
    assert tuple(SHAPES) == command.SHAPE_NAMES
