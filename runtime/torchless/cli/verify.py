"""`torchless verify`."""

from __future__ import annotations

import argparse

from .stdout import stdout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="MODEL", help="a bundle: a folder, an installed model package or a Hub id")


def run(options: argparse.Namespace) -> int:
    """Verify a bundle and say what was found."""
    from torchless.bundle.bundle import Bundle
    from torchless.shipping.verify import verify_bundle

    bundle = Bundle.open(options.model)
    replays = verify_bundle(bundle)
    lines = [f"{len(bundle.manifest.files)} files are as they were exported"]
    for replay in replays:
        parts = [f"smallest embedding cosine {replay.embedding_cosine:.7f} (required: {replay.min_cosine:g})"]
        if replay.logit_difference is not None:
            parts.insert(0, f"largest logit difference {replay.logit_difference:.1e} (allowed: {replay.tolerance:g})")
        lines.append(f"{replay.precision} against the golden answers: {', '.join(parts)}")
    with stdout():
        print(*lines, sep="\n")
    return 0
