"""`torchless verify`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="MODEL", help="a bundle: a folder, an installed package or a Hub id")


def run(options: argparse.Namespace) -> int:
    """Verify a bundle and say what was found."""
    from torchless.bundle.bundle import Bundle
    from torchless.shipping.verify import verify_bundle

    bundle = Bundle.open(options.model)
    replays = verify_bundle(bundle)
    print(f"{len(bundle.manifest.files)} files are what was exported")
    for replay in replays:
        parts = [f"embeddings with a cosine of {replay.embedding_cosine:.7f} (at least {replay.min_cosine:g})"]
        if replay.logit_difference is not None:
            parts.insert(0, f"logits within {replay.logit_difference:.1e} (allowed {replay.tolerance:g})")
        print(f"{replay.precision}: golden {', '.join(parts)}")
    return 0
