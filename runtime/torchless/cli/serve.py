"""`torchless serve`."""

from __future__ import annotations

import argparse
import os

from torchless.errors import InputError
from torchless.serve import needs_extra, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="*",
        help="bundles: folders, installed packages or Hub ids, or NAME=MODEL; the first answers where a request names "
        "none (TORCHLESS_MODELS, separated by spaces)",
    )
    parser.epilog = "Every flag is also a variable: --max-queue-tokens is TORCHLESS_MAX_QUEUE_TOKENS."
    settings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    models = _models(options.models or os.environ.get("TORCHLESS_MODELS", "").split())
    chosen = settings.from_options(options)
    with needs_extra("torchless serve"):
        from torchless.serve.run import serve
    serve(models, chosen)
    return 0


def _models(arguments: list[str]) -> dict[str, str]:
    from torchless.bundle.locate import name_of

    if not arguments:
        raise InputError("expected one bundle or more: torchless serve MODEL [MODEL...]")
    models: dict[str, str] = {}
    for argument in arguments:
        name, equals, model = argument.partition("=")
        if not equals:
            name, model = name_of(argument), argument
        if name in models:
            raise InputError(f"two models are called {name!r}; name them: NAME=MODEL")
        models[name] = model
    return models
