"""Make tests/data/tiny and tests/data/tiny-tagger: bundles of a few dozen kilobytes, so that runtime tests need neither
torch nor a network.

    python tests/data/make_tiny.py [tiny|tiny-tagger]

The weights are random and seeded; what the models say means nothing, but they say it through every code path.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from torchless_export import export
from torchless_export.quality import Gates
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make

NAMES = ("tiny", "tiny-tagger")

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = make(RANDOM_CHECKPOINTS["distilbert"], Path(folder) / name, tagger=name == "tiny-tagger")
            export(
                checkpoint, Path(__file__).parent / name, gates=Gates(max_disagreement=1, max_score_error=1), say=print
            )
