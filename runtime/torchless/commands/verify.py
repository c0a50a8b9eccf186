"""`torchless verify`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="MODEL", help="a bundle folder")


def run(options: argparse.Namespace) -> int:
    """Verify a bundle and say what was found."""
    from torchless.bundle import Bundle
    from torchless.golden import verify

    replays = verify(options.model)
    print(f"{len(Bundle.open(options.model).manifest.files)} files are what was exported")
    for replay in replays:
        parts = [] if replay.logit_difference is None else [f"logits within {replay.logit_difference:.1e}"]
        parts.append(f"embeddings within {replay.embedding_difference:.1e}")
        print(f"{replay.precision}: golden {', '.join(parts)} (allowed {replay.tolerance:g})")
    return 0
