"""What a graph asks of a precision; torchless_export/precision/ has one file for each."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from torchless_export.spec import Floats, Linear

from .nodes import Graph


class Precision(Protocol):
    """How numbers are kept: the one thing that differs between graphs of one model."""

    floats: np.dtype[np.floating]  # of whatever is neither quantised nor the head

    def table(self, graph: Graph, name: str, table: Floats, ids: str) -> str:
        """Rows of an embedding table: float (tokens, dim)."""

    def enter(self, graph: Graph, name: str, x: str) -> str:
        """Float activations to what `linear` multiplies. Called once for all products that share an input."""

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        """X @ weight + bias: float (rows, out). `site` is the name that x entered under."""
