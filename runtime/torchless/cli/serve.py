"""`torchless serve`."""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import suppress

from torchless.errors import InputError, needs_extra
from torchless.serve import PACKAGES, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="*",
        help="a bundle to serve: a folder, an installed model package, a Hub id, or NAME=MODEL to name it; the first "
        "answers requests that name none [TORCHLESS_MODELS, separated by spaces]",
    )
    parser.epilog = "In brackets: the environment variable that counts where the flag is not given."
    settings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    models = _models(options.models or os.environ.get("TORCHLESS_MODELS", "").split())
    chosen = settings.from_options(options)
    with suppress(AttributeError, ValueError):  # no such signal on Windows, or this is not the main thread
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it reloads; a server that starts has read its bundles anew
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # what asyncio replaces by its own
    with needs_extra("torchless serve", "serve", *PACKAGES):
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
        # A folder may have = in its name, and a name has no slash: requests give it in a path.
        if not equals or os.path.lexists(argument) or "/" in name or os.sep in name:
            name, model = name_of(argument), argument
        if not name or not model:
            raise InputError(f"expected NAME=MODEL, got {argument!r}.")
        if name in models:
            raise InputError(f"two models are called {name!r}; name them: NAME=MODEL")
        models[name] = model
    return models
