"""A tokenizer is asked: it raises whatever its libraries raise, which becomes an error that names the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchless.errors import TorchlessError, is_foreign
from torchless.inputs.arguments import Text, TextPair
from torchless_export.errors import CheckpointError, one_line

_SHOWN = 96  # characters


def asked(ask: Callable[[Sequence[Text]], Any], texts: Sequence[Text]) -> Any:
    """What a tokenizer answers to texts.

    Raises:
        CheckpointError: it fails; the text that it fails on alone is named.
    """
    try:
        return ask(texts)
    except CheckpointError:
        raise
    except BaseException as error:
        refuse_interruption(error)
        for text in texts if len(texts) > 1 else ():
            try:
                ask([text])
            except BaseException as cause:
                refuse_interruption(cause)
                raise _failed(cause, [text]) from error
        raise _failed(error, texts if len(texts) == 1 else []) from error


def _failed(error: BaseException, texts: Sequence[Text]) -> CheckpointError:
    where = "".join(f" on {shown_text(text)}" for text in texts)
    return CheckpointError(
        f"tokenizer.json: the tokenizer fails{where} ({one_line(error)}). Mend the checkpoint's tokenizer."
    )


def refuse_interruption(error: BaseException) -> None:
    """Raise an error again that no library means; Rust's panics, which `tokenizers` raises, are no Exception.

    Raises:
        BaseException: the error, where it is an interruption or too little memory.
    """
    if isinstance(error, MemoryError) or not (isinstance(error, TorchlessError) or is_foreign(error)):
        raise error


def shown_text(text: Text) -> str:
    """A text for an error message: as Python writes it, in ASCII, cut where it is long."""
    if isinstance(text, TextPair):
        return f"the pair of {shown_text(text.first)} and {shown_text(text.second)}"
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}… of {len(text)} characters"
