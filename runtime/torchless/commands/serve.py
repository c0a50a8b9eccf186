"""`torchless serve`."""

from __future__ import annotations

import argparse
import os

from torchless.errors import InputError
from torchless.serve import name_of, needs_extra, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="*",
        help="bundle folders, or NAME=FOLDER; the first answers where a request names none (TORCHLESS_MODELS, "
        "separated by spaces)",
    )
    parser.epilog = "Every flag is also a variable: --max-queue-tokens is TORCHLESS_MAX_QUEUE_TOKENS."
    settings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    folders = _folders(options.models or os.environ.get("TORCHLESS_MODELS", "").split())
    chosen = settings.from_options(options)
    with needs_extra("torchless serve"):
        from torchless.serve.run import serve
    serve(folders, chosen)
    return 0


def _folders(models: list[str]) -> dict[str, str]:
    if not models:
        raise InputError("expected one bundle folder or more: torchless serve MODEL [MODEL...]")
    folders: dict[str, str] = {}
    for model in models:
        name, equals, folder = model.partition("=")
        if not equals:
            name, folder = name_of(model), model
        if name in folders:
            raise InputError(f"two models are called {name!r}; name them: NAME=FOLDER")
        folders[name] = folder
    return folders
