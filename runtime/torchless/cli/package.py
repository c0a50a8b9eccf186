"""`torchless package`."""

from __future__ import annotations

import argparse

from . import stderr
from .stdout import stdout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="BUNDLE", help="a bundle: a folder, an installed model package or a Hub id")
    parser.add_argument(
        "--output", metavar="DIR", default=".", help="folder for the wheel (default: the current folder)"
    )
    parser.add_argument(
        "--name", help="name of the package, by which the model is loaded once it is installed (default: BUNDLE's name)"
    )
    parser.add_argument("--version", default="1.0.0", help="version of the package (default: 1.0.0)")


def run(options: argparse.Namespace) -> int:
    """Verify and wrap a bundle; prints the wheel's path."""
    from torchless.shipping.package import package

    wheel = package(options.model, options.output, name=options.name, version=options.version)
    with stdout():
        print(wheel)
    stderr.write(f"Install it with: pip install {wheel}\n")
    return 0
