"""An extension of griffe: the API reference shows each field of the server's `Settings` with its default and help text.

The fields are declared as `name: type = _option(default, help, …)`, and the page would print that call.
"""

from __future__ import annotations

import ast
from typing import Any

import griffe


class Options(griffe.Extension):
    """Takes default and help text out of `_option(…)`."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Called by griffe for each attribute that it has read."""
        call = attr.value
        if isinstance(call, griffe.ExprCall) and str(call.function) == "_option":
            default, help_text, *_ = call.arguments
            attr.value = default
            attr.docstring = griffe.Docstring(ast.literal_eval(str(help_text)), parent=attr)
