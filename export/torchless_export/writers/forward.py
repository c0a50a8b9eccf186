"""What a traced model computes, so that a text padded on the right answers what it answers alone.

transformers pools some models in ways that padding or neighbours change; here each row is pooled by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from torchless.bundle.manifest import GraphKind

    Tensors = Mapping[str, torch.Tensor]


def answer(model: Any, run: Callable[..., Any], inputs: Tensors, head: GraphKind) -> tuple[torch.Tensor, Any]:
    """The body's hidden states (texts, longest, hidden_size), and the logits.

    These are (texts, labels), or (texts, longest, labels) of a head that classifies tokens; None without a head.

    Args:
        model: of transformers.
        run: its own forward pass.
        inputs: the graph's, of which `input_ids` and `attention_mask` are always there.
        head: which head the model has; "encoder" for none.
    """
    pooled = _pooled(model, inputs) if head == "classifier" else None
    if pooled is not None:
        return pooled
    if (
        model.config.model_type == "longformer" and head == "classifier"
    ):  # as its forward pass does, by an assignment in place
        import torch

        places = torch.arange(inputs["input_ids"].shape[1])
        first = (places == 0).to(torch.int64).expand_as(inputs["input_ids"])
        inputs = {**inputs, "global_attention_mask": first}
    if getattr(model.config, "trigram_input", False):
        # MobileBERT reads each token with the next one, which is nothing at the end of a text, and not a padding token.
        words = model.base_model.embeddings.word_embeddings(inputs["input_ids"]) * inputs["attention_mask"][..., None]
        inputs = {name: value for name, value in inputs.items() if name != "input_ids"} | {"inputs_embeds": words}
    if model.base_model is model:  # a body alone: `run` is its own forward pass, which calls no hook
        return run(**inputs)[0], None
    kept: list[Any] = []
    hook = model.base_model.register_forward_hook(lambda _model, _inputs, outputs: kept.append(outputs[0]))
    try:
        outputs = run(**inputs)
    finally:
        hook.remove()
    return kept[-1], None if head == "encoder" else outputs["logits"]


def _pooled(model: Any, inputs: Tensors) -> tuple[torch.Tensor, Any] | None:
    """Models that are pooled at one token of each text; None for all others."""
    ids = inputs["input_ids"]
    if model.config.is_encoder_decoder and hasattr(model, "classification_head"):
        # BART, T5: at the last <eos>. transformers asks for the same number of them in every row.
        shifted = {"decoder_input_ids": model._shift_right(ids)} if hasattr(model, "_shift_right") else {}  # noqa: SLF001
        states = model.base_model(**inputs, **shifted)[0]
        return states, model.classification_head(_last(states, ids == model.config.eos_token_id))
    if model.config.pad_token_id is None and hasattr(model, "score"):
        # GPT-2 without a padding token: at the last token, which transformers finds in a text alone only.
        states = model.base_model(**inputs)[0]
        return states, model.score(_last(states, inputs["attention_mask"]))
    if model.config.model_type == "xlnet" and model.config.summary_type == "last":
        # At the last token, which transformers takes to be at the end of the row: it pads on the left.
        states = model.base_model(**inputs)[0]
        return states, model.logits_proj(model.sequence_summary(_last(states, inputs["attention_mask"])[:, None]))
    return None


def _last(states: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The state (texts, hidden_size) of the last chosen token of each text."""
    import torch

    places = torch.arange(chosen.shape[1]) * chosen.to(torch.int64)
    return states[torch.arange(states.shape[0]), places.argmax(1)]


@contextmanager
def traceable(model: Any) -> Iterator[None]:
    """Put in what a tracer can follow for parts of a model whose steps depend on the number of tokens."""
    from types import MethodType

    changed = []
    for module in model.modules():
        if hasattr(module, "query_global"):
            module.forward = MethodType(_windowed, module)
            changed.append((module, "forward"))
        if hasattr(module, "_pad_to_window_size"):
            module._pad_to_window_size = _unpadded  # noqa: SLF001
            changed.append((module, "_pad_to_window_size"))
    try:
        yield
    finally:
        for module, name in changed:
            delattr(module, name)


def _unpadded(*, pad_token_id: int, **inputs: Any) -> tuple[Any, ...]:  # noqa: ARG001
    """No padding to whole windows, which `_windowed` does not need: how many tokens were added, and the inputs."""
    return 0, *inputs.values()


def _windowed(
    module: Any,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor,
    layer_head_mask: Any = None,  # noqa: ARG001
    is_index_masked: Any = None,  # noqa: ARG001
    is_index_global_attn: Any = None,  # noqa: ARG001
    is_global_attn: bool | None = None,
    output_attentions: bool = False,  # noqa: ARG001, FBT
) -> tuple[torch.Tensor]:
    """Longformer's attention (arXiv 2004.05150) as one matrix with a mask, for hidden states (texts, longest, size).

    A token attends to those in its window and to the global ones; a global token, by weights of its own, to all. The
    mask is negative for padding and positive for global tokens.
    """
    import torch

    def heads(linear: Any) -> torch.Tensor:
        x = linear(hidden_states)
        return x.view(*x.shape[:2], module.num_heads, module.head_dim).transpose(1, 2)  # (texts, heads, longest, …)

    def attended(query: Any, key: Any, value: Any, hidden: torch.Tensor) -> torch.Tensor:
        scores = heads(query) / module.head_dim**0.5 @ heads(key).transpose(2, 3)
        weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(-1)
        return (weights @ heads(value)).transpose(1, 2).reshape(hidden_states.shape)

    mask = attention_mask.reshape(hidden_states.shape[0], 1, 1, -1)
    places = torch.arange(hidden_states.shape[1])
    far = (places[:, None] - places).abs() > module.one_sided_attn_window_size
    local = attended(module.query, module.key, module.value, (far & (mask <= 0)) | (mask < 0))
    if not is_global_attn:
        return (local,)
    everywhere = attended(module.query_global, module.key_global, module.value_global, mask < 0)
    return (torch.where(mask.reshape(hidden_states.shape[0], -1, 1) > 0, everywhere, local),)
