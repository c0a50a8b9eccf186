"""`torchless embed`."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

from torchless import texts
from torchless.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    texts.add_arguments(parser)
    parser.add_argument("--pooling", choices=["cls", "mean"], default="mean", help="default: mean")
    parser.add_argument("--no-normalize", action="store_true", help="leave vectors at their own length")
    parser.add_argument("--output", metavar="FILE.npy", help="one float32 array (texts, dimensions), all or nothing")


def run(options: argparse.Namespace) -> int:
    """Turn texts into vectors: JSON lines on stdout, or one .npy file."""
    if options.output and Path(options.output).suffix != ".npy":
        raise InputError(f"--output: expected a name that ends in .npy, got {options.output!r}.")
    chunks = texts.read(options)
    first = next(chunks, [])
    import numpy as np

    from torchless.encoder import Encoder
    from torchless.output import replacing

    encoder = Encoder.load(options.model, precision=options.precision, device=options.device, threads=options.threads)
    vectors, count = [], 0
    with texts.Progress("texts embedded") as progress:
        for chunk in itertools.chain([first], chunks):
            rows = encoder.embed(chunk, pooling=options.pooling, normalize=not options.no_normalize)
            if options.output:
                vectors.append(rows)
            else:
                for row in rows:
                    print(json.dumps(row.tolist()), flush=True)
            count += len(chunk)
            progress.show(count)
    if options.output:
        with replacing(Path(options.output)) as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate(vectors))
    return 0
