"""Telemetry of the libraries that Torchless uses: off, unless the user has turned it on.

The libraries read these variables when they are imported, so they are set before: docs/decisions/0053-telemetry.md.
"""

import os

# Reports models and runs to Microsoft and keeps an identifier in the home directory, in official wheels since 1.29.
# It takes "1", "true" and "yes" for off, and anything else for on.
_ONNXRUNTIME = "ORT_DISABLE_TELEMETRY"
# huggingface_hub and transformers tell the Hub in each request which versions of which libraries are installed.
_HUGGING_FACE = "HF_HUB_DISABLE_TELEMETRY"
# Ray takes "0" for off and "1" for on.
_RAY = "RAY_USAGE_STATS_ENABLED"


def turn_off_onnxruntime() -> None:
    """What the library does in a user's process, before it imports onnxruntime."""
    _turn_off(_ONNXRUNTIME)


def turn_off() -> None:
    """What a process does that is Torchless's own: the command line, the server and the benchmarks."""
    _turn_off(_ONNXRUNTIME)
    _turn_off(_HUGGING_FACE)


def turn_off_ray() -> None:
    """What a process does before it starts Ray: its usage statistics go to usage-stats.ray.io.

    Ray's own switches stay in force: the variable, and `ray disable-usage-stats` or `ray enable-usage-stats`, which
    write ~/.ray/config.json.
    """
    if not os.environ.get(_RAY) and not os.path.exists(os.path.expanduser("~/.ray/config.json")):  # noqa: PTH110, PTH111
        os.environ[_RAY] = "0"


def _turn_off(variable: str) -> None:
    if not os.environ.get(variable):  # onnxruntime takes a variable that is set to nothing for on
        os.environ[variable] = "1"
