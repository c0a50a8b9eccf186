"""Make the bundles of tests/data, so that runtime tests need neither torch nor a network.

    python tests/data/make_tiny.py [tiny|tiny-tagger|tiny-ranker]

The weights are random and seeded; what the models say means nothing, but they say it through every code path.
tiny-ranker has one output, on whose activation sentence-transformers and transformers' pipeline disagree.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

from torchless_export import export
from torchless_export.quality import Gates
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make

HERE, ANY_LABEL = Path(__file__).parent, Gates(max_disagreement=1, max_score_error=1)
NAMES = ("tiny", "tiny-tagger", "tiny-ranker")
ONE_NUMBER = {"id2label": {0: "LABEL_0"}, "label2id": {"LABEL_0": 0}, "problem_type": "regression"}

if __name__ == "__main__":
    bert = RANDOM_CHECKPOINTS["bert"]
    ranker = dataclasses.replace(bert, settings={**bert.settings, **ONE_NUMBER})
    for name in sys.argv[1:] or NAMES:
        random = ranker if name == "tiny-ranker" else RANDOM_CHECKPOINTS["distilbert"]
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = make(random, Path(folder) / name, tagger=name == "tiny-tagger")
            export(checkpoint, HERE / name, gates=ANY_LABEL, say=print)
