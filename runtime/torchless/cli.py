"""The command line: one module a command, and only the chosen one is imported."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from . import __version__
from .errors import InputError, TorchlessError

# name: (module, summary). Commands of the other two packages are named, never imported here.
COMMANDS = {
    "predict": ("torchless.commands.predict", "label texts"),
    "embed": ("torchless.commands.embed", "turn texts into vectors"),
    "export": ("torchless_export.command", "turn a checkpoint into a bundle, and prove that it answers the same"),
    "verify": ("torchless.commands.verify", "check every file and replay the golden answers on this machine"),
    "serve": ("torchless.commands.serve", "answer over HTTP, in the dialects that existing clients speak"),
    "info": ("torchless.commands.info", "show what a bundle is and how exact it is"),
    "bench": ("torchless_bench.command", "measure a bundle beside PyTorch and other engines"),
}

FAILURE, USAGE = 1, 2
# The nearest class in an error's ancestry decides.
EXIT_CODES: dict[type[TorchlessError], int] = {TorchlessError: FAILURE, InputError: USAGE}


def exit_code(error: TorchlessError) -> int:
    """The exit code for an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns its exit code: 0 fine, 1 failed, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(arguments)
    except TorchlessError as error:
        print(f"torchless: {error}", file=sys.stderr)  # noqa: T201
        return exit_code(error)
    except KeyboardInterrupt:
        print("torchless: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has had enough; without this Python complains again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="torchless",
        description="Transformer text classifiers without PyTorch.",
        epilog="commands:\n"
        + "\n".join(f"  {name:<9} {summary}" for name, (_, summary) in COMMANDS.items())
        + "\n\ntorchless COMMAND --help says what a command takes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"torchless {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help="one of those below")
    parser.add_argument("rest", metavar="...", nargs=argparse.REMAINDER, help="what the command takes")
    chosen = parser.parse_args(arguments)
    module, summary = COMMANDS[chosen.command]
    command = import_module(module)
    # A parser of its own, because subparsers do not let options stand between MODEL and TEXT.
    parser = argparse.ArgumentParser(prog=f"torchless {chosen.command}", description=f"{summary.capitalize()}.")
    command.add_arguments(parser)
    code: int = command.run(parser.parse_intermixed_args(chosen.rest))
    return code


if __name__ == "__main__":
    sys.exit(main())
