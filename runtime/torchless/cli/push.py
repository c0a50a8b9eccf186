"""`torchless push`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="BUNDLE", help="a bundle: a folder, an installed package or a Hub id")
    parser.add_argument("name", metavar="ORG/NAME", help="where on the Hub; made where it is not there yet")
    parser.add_argument("--private", action="store_true", help="make it for your own eyes only")
    parser.add_argument("--revision", metavar="BRANCH", help="the branch to commit to (default: main)")


def run(options: argparse.Namespace) -> int:
    """Verify and upload a bundle; prints the commit's URL."""
    from torchless.shipping.push import push

    print(push(options.model, options.name, private=options.private, revision=options.revision))
    return 0
