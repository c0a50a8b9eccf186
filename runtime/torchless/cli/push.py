"""`torchless push`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="BUNDLE", help="a bundle: a folder, an installed model package or a Hub id")
    parser.add_argument("name", metavar="ORG/NAME", help="model on the Hub; it is created if it does not exist")
    parser.add_argument(
        "--private",
        action="store_true",
        help="create the model as private; an error if it exists and is public (default: the owner's setting)",
    )
    parser.add_argument(
        "--revision", metavar="BRANCH", help="branch to commit to; it is created if it does not exist (default: main)"
    )


def run(options: argparse.Namespace) -> int:
    """Verify and upload a bundle; prints the commit's URL."""
    from torchless.shipping.push import push

    print(push(options.model, options.name, private=options.private, revision=options.revision))
    return 0
