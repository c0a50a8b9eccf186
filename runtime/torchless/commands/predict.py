"""`torchless predict`."""

from __future__ import annotations

import argparse
import itertools
import json

from torchless import texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchless.ranking import Prediction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    texts.add_arguments(parser)
    parser.add_argument(
        "--top-k", metavar="N|all", type=_top_k, default=1, help="labels a text, best first (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="JSON lines instead of label, score and text")
    parser.add_argument(
        "--output", metavar="FILE", type=texts.file_name, help="write there instead of stdout, all or nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Label texts, chunk by chunk."""
    chunks = texts.read(options)
    first = next(chunks, [])  # complain about the input before spending time on the model
    from torchless.classifier import Classifier

    classifier = Classifier.load(
        options.model, precision=options.precision, device=options.device, threads=options.threads
    )
    form = _plain if not options.json else _json_best if options.top_k == 1 else _json_ranking
    count = truncated = 0
    with texts.text_output(options.output) as write, texts.Progress("texts labelled") as progress:
        for chunk in itertools.chain([first], chunks):
            rankings = classifier.rank(chunk, top_k=options.top_k)
            write("".join(form(text, ranking) for text, ranking in zip(chunk, rankings, strict=True)))
            truncated += sum(ranking[0].truncated for ranking in rankings)
            count += len(chunk)
            progress.show(count)
    texts.report_truncated(truncated, count, classifier.manifest.max_tokens)
    return 0


def _top_k(value: str) -> int | None:
    if value == "all":
        return None
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, or all, got {value!r}")
    return number


def _plain(text: str, ranking: Sequence[Prediction]) -> str:
    labels = ", ".join(f"{prediction.label} {prediction.score:.4f}" for prediction in ranking)
    return f"{texts.visible(labels)}\t{texts.visible(' '.join(text.split()))}\n"


def _json_best(text: str, ranking: Sequence[Prediction]) -> str:
    (best,) = ranking
    fields = {"text": text, "label": best.label, "score": best.score, "truncated": best.truncated}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _json_ranking(text: str, ranking: Sequence[Prediction]) -> str:
    labels = [{"label": prediction.label, "score": prediction.score} for prediction in ranking]
    return json.dumps({"text": text, "labels": labels, "truncated": ranking[0].truncated}, ensure_ascii=False) + "\n"
