"""Make tests/data/tiny: a bundle of a few dozen kilobytes, so that runtime tests need neither torch nor a network.

    python tests/data/make_tiny.py

The weights are random and seeded; what the model says means nothing, but it says it through every code path.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from torchless_export import export
from torchless_export.quality import Gates
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make(RANDOM_CHECKPOINTS["distilbert"], Path(folder) / "tiny")
        export(
            checkpoint, Path(__file__).parent / "tiny", gates=Gates(max_disagreement=1, max_score_error=1), say=print
        )
