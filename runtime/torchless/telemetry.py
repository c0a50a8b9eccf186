"""Telemetry of the libraries that Torchless uses: off, unless the user has turned it on.

The libraries read these variables when they are imported, so they are set before: docs/decisions/0053-telemetry.md.
"""

import os

# Reports models and runs to Microsoft and keeps an identifier in the home directory, in official wheels since 1.29.
# It takes "1", "true" and "yes" for off, and anything else for on.
_ONNXRUNTIME = "ORT_DISABLE_TELEMETRY"
# huggingface_hub and transformers tell the Hub in each request which versions of which libraries are installed.
_HUGGING_FACE = "HF_HUB_DISABLE_TELEMETRY"


def turn_off_onnxruntime() -> None:
    """What the library does in a user's process, before it imports onnxruntime."""
    _turn_off(_ONNXRUNTIME)


def turn_off() -> None:
    """What a process does that is Torchless's own: the command line, the server and the benchmarks."""
    _turn_off(_ONNXRUNTIME)
    _turn_off(_HUGGING_FACE)


def _turn_off(variable: str) -> None:
    if not os.environ.get(variable):  # onnxruntime takes a variable that is set to nothing for on
        os.environ[variable] = "1"
