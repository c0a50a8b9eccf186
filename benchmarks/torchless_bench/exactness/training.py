"""Fine-tunes a classifier: AdamW, a linear schedule with a warm-up, batches of like lengths.

Taggers and wide bodies are trained with products in bfloat16, several times as fast on CPUs with AMX; the weights stay
in float32.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torchless.inputs.arguments import Text, TextPair, characters
from torchless.inputs.text_tokens import word_places
from torchless_export.tagging.words import first_tokens

from .bodies import write_as
from .datasets import Dataset, Rows
from .width import twice_as_wide

_SEED, _BATCH = 0, 32
_MOST_TOKENS = 128
_ROWS_SEEN, _LEAST_EPOCHS = 12_000, 3
_WARM_UP = 0.1  # share of the steps
_CLIP = 1.0
_NO_ANSWER = -100  # what PyTorch's losses leave out


def train(
    body: Path,
    architecture: str,
    dataset: Dataset,
    out: Path,
    *,
    wide: bool = False,
    rate: float = 1e-4,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Fine-tune a BERT body, written as an architecture, and save the checkpoint.

    Args:
        body: the folder of a BERT checkpoint, such as MiniLM's.
        architecture: one of bodies.ARCHITECTURES.
        dataset: what to learn.
        out: where the checkpoint goes; complete or not there.
        wide: make the body twice as wide first.
        rate: the largest learning rate.
        say: called with a line after each epoch.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.manual_seed(_SEED)
    tokenizer = AutoTokenizer.from_pretrained(body, local_files_only=True, model_max_length=512)
    tagger = dataset.problem == "token_classification"
    head = {
        **({} if tagger else {"problem_type": dataset.problem}),
        "id2label": dict(enumerate(dataset.labels)),
        "label2id": {label: index for index, label in enumerate(dataset.labels)},
    }
    bert = AutoModel.from_pretrained(body, local_files_only=True)
    model = write_as(architecture, twice_as_wide(bert) if wide else bert, head, tagger=tagger)
    if model.config.pad_token_id != tokenizer.pad_token_id:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(model.config.pad_token_id)
    if getattr(model.config, "type_vocab_size", 1) < 2 or architecture in ("distilbert", "mpnet", "modernbert"):
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    epochs = max(_LEAST_EPOCHS, -(-_ROWS_SEEN // len(dataset.train.texts)))
    _fit(model, tokenizer, dataset, epochs, rate, say, bfloat16=tagger or wide)
    unfinished = out.with_name(out.name + ".unfinished")
    model.eval().save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(out)


def _fit(
    model: Any,
    tokenizer: Any,
    dataset: Dataset,
    epochs: int,
    rate: float,
    say: Callable[[str], None],
    *,
    bfloat16: bool,
) -> None:
    import torch

    chooser = random.Random(_SEED)
    steps = epochs * -(-len(dataset.train.texts) // _BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=_WARM_UP)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for texts, targets in _batches(dataset.train, chooser):
            inputs = encode(tokenizer, texts, _MOST_TOKENS)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss = model(**inputs, labels=_wanted(dataset, inputs, texts, targets)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss.detach()) * len(texts)
        say(f"epoch {epoch + 1} of {epochs}: mean loss {total / len(dataset.train.texts):.3f}")


def _wanted(dataset: Dataset, inputs: Any, texts: Sequence[Text], targets: Sequence[Sequence[float]]) -> Any:
    """The right answers as transformers' losses take them."""
    import torch

    if dataset.problem == "token_classification":
        wanted = torch.full(inputs["input_ids"].shape, _NO_ANSWER)
        for row, (text, tags) in enumerate(zip(texts, targets, strict=True)):
            encoding = inputs.encodings[row]
            own = [index for index, special in enumerate(encoding.special_tokens_mask) if not special]
            first = first_tokens(word_places(str(text).split(" "), " "), [encoding.offsets[index][0] for index in own])
            for token, tag in zip(first, tags, strict=True):
                if token is not None:
                    wanted[row, own[token]] = int(tag)
        return wanted
    answers = torch.tensor(targets)
    if dataset.problem == "single_label_classification":
        return answers.argmax(dim=1)
    return answers[:, 0] if dataset.problem == "regression" else answers


def encode(tokenizer: Any, texts: Sequence[Text], most_tokens: int) -> Any:
    """Texts or pairs as PyTorch tensors."""
    pairs = isinstance(texts[0], TextPair)
    first = [text.first if isinstance(text, TextPair) else text for text in texts]
    second = [text.second for text in texts if isinstance(text, TextPair)] if pairs else None
    return tokenizer(first, second, padding=True, truncation=True, max_length=most_tokens, return_tensors="pt")


def _batches(rows: Rows, chooser: random.Random) -> Iterator[tuple[list[Text], list[list[float]]]]:
    """All rows once, in batches of like lengths, the batches in random order."""
    order = sorted(range(len(rows.texts)), key=lambda index: characters(rows.texts[index]) + chooser.random() * 20)
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    chooser.shuffle(batches)
    for batch in batches:
        yield [rows.texts[index] for index in batch], [rows.targets[index] for index in batch]
