"""The command line: one module per command, `add_arguments(parser)` and `run(options) -> exit code`.

Only the module of the chosen command is imported, and it imports what is heavy inside `run`: `--help` takes as
long as bare Python.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib import import_module

from torchless import __version__, telemetry
from torchless.errors import InputError, TorchlessError

from . import signals, stderr
from .stdout import StdoutError, stdout

# name: (module, summary). Commands of the other two packages are named, never imported here.
COMMANDS = {
    "predict": ("torchless.cli.predict", "label texts"),
    "rank": ("torchless.cli.rank", "order documents by how well they answer a query"),
    "tag": ("torchless.cli.tag", "find the labelled parts of texts, such as names and places"),
    "embed": ("torchless.cli.embed", "turn texts into vectors (embeddings)"),
    "export": ("torchless_export.command", "turn a checkpoint into a bundle, and prove that it gives the same answers"),
    "verify": ("torchless.cli.verify", "check every file of a bundle, and its answers on this machine"),
    "push": ("torchless.cli.push", "upload a bundle to the Hugging Face Hub"),
    "package": ("torchless.cli.package", "wrap a bundle in a wheel, so that pip can install it"),
    "serve": ("torchless.cli.serve", "answer HTTP requests, also those of TEI, OpenAI, vLLM and Triton clients"),
    "info": ("torchless.cli.info", "show what a bundle contains and how exact it is"),
    "bench": ("torchless_bench.command", "compare a bundle with PyTorch and other runtimes: speed and answers"),
}

FAILURE, USAGE = 1, 2
# The nearest class in an error's ancestry decides.
EXIT_CODES: dict[type[TorchlessError], int] = {TorchlessError: FAILURE, InputError: USAGE}


def exit_code(error: TorchlessError) -> int:
    """The exit code for an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns its exit code: 0 fine, 1 failed, 2 wrong usage.

    Without arguments it is this process's program: it reads sys.argv, writes UTF-8, and ends cleanly on SIGTERM and
    SIGHUP.
    """
    if arguments is None:
        arguments = sys.argv[1:]
        _become_program()
    try:
        return _run_and_complain(arguments)
    finally:
        stderr.drop_unwritten()


def _run_and_complain(arguments: list[str]) -> int:
    try:
        try:
            return _run(arguments)
        finally:
            with stdout():  # a full disk or a closed pipe shows here, not when Python exits
                sys.stdout.flush()
    except TorchlessError as error:
        _complain(str(error))
        return exit_code(error)
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except MemoryError:
        _complain("out of memory. Give it fewer or shorter texts at a time.")
        return FAILURE
    except StdoutError as error:
        if not isinstance(error.cause, BrokenPipeError):  # `| head` has closed the pipe
            _complain(f"cannot write stdout: {error.cause.strerror or error.cause}.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains again when it flushes at exit
        return FAILURE
    except OSError as error:  # most errors of files have classes of their own
        where = type(error).__name__ if error.filename is None else os.fsdecode(error.filename)
        _complain(f"{where}: {error.strerror or error}.")
        return FAILURE
    except Exception:
        if (number := signals.came()) is None:
            raise
        if number == signal.SIGINT:
            _complain("interrupted")
        return 128 + number


def _become_program() -> None:
    """Telemetry off, the standard streams what they should be, and signals exceptions, so that `finally` runs."""
    telemetry.turn_off()
    # A stream that was closed (`<&-`) is replaced by one that fails when it is read or written.
    sys.stdin = sys.stdin or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stdout = sys.stdout or open(os.devnull)  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    signals.handle()


def _complain(message: str) -> None:
    from .text_output import visible  # a file's name may hold what a terminal would obey

    stderr.say("\n".join(map(visible, message.split("\n"))))


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="torchless",
        description="Run transformer text classifiers without PyTorch.",
        epilog="commands:\n"
        + "\n".join(f"  {name:<9} {summary}" for name, (_, summary) in COMMANDS.items())
        + "\n\ntorchless COMMAND --help shows the arguments and options of one command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"torchless {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help="one of the commands below")
    parser.add_argument("rest", metavar="...", nargs=argparse.REMAINDER, help="arguments and options of the command")
    chosen = parser.parse_args(arguments)
    module, summary = COMMANDS[chosen.command]
    command = import_module(module)
    # A parser of its own, because subparsers do not let options stand between MODEL and TEXT.
    parser = argparse.ArgumentParser(
        prog=f"torchless {chosen.command}", description=f"{summary[0].upper()}{summary[1:]}."
    )
    command.add_arguments(parser)
    code: int = command.run(parser.parse_intermixed_args(chosen.rest))
    return code
