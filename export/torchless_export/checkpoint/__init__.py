"""What someone trained: config, weights, tokenizer and labels, read from a folder or the Hub."""

from .checkpoint import Checkpoint

__all__ = ["Checkpoint"]
