"""`torchless rank`."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable

from torchless.inputs.arguments import refuse_lone_surrogate

from . import file_names, text_input, text_output
from .status_line import StatusLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchless.answers.documents import Ranked

_SPARE = 4096  # documents that are kept beyond the best before the worst of them are dropped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    text_input.add_model_argument(parser)
    parser.add_argument("query", metavar="QUERY", help="what is asked; a text that is not blank")
    text_input.add_text_arguments(parser, "DOCUMENT", "document")
    parser.add_argument(
        "--top-k",
        metavar="N|all",
        type=text_input.top_k,
        default="all",
        help="number of documents to print, best first; a number also bounds memory (default: all)",
    )
    parser.add_argument(
        "--activation",
        choices=["softmax", "sigmoid", "none"],
        help="function that turns logits into scores (default: the one of sentence-transformers' CrossEncoder)",
    )
    text_input.add_running_arguments(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object per document (default: score, index and document as columns)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=file_names.output_name,
        help="file to write, whole or not at all: .txt, or with --json .jsonl (default, and -: stdout)",
    )


def run(options: argparse.Namespace) -> int:
    """Rank documents: chunk by chunk they are scored, and once all are the best are printed."""
    file_names.refuse_other_format(options, "JSON lines" if options.json else "scores", tables=False)
    refuse_lone_surrogate(options.query, "QUERY")
    chunks = text_input.read(options)
    first = next(chunks, [])  # an error in the input is reported before the model is loaded
    from torchless.reranker import Reranker, checked_query

    checked_query(options.query)
    reranker = Reranker.load(options.model, **text_input.running(options))
    best = _Best(text_input.number(options.top_k))
    with text_output.text_output(options.output) as write:
        with StatusLine() as status:
            for chunk in itertools.chain([first], chunks):
                if best.count:
                    status.show(f"{best.count:,} documents scored")
                documents = [str(text) for text in chunk]
                best.add(documents, reranker.rank(options.query, documents, activation=options.activation))
        form = _json if options.json else _plain
        for index, score, truncated, document in best.rows():
            write(form(index, score, truncated, document))
    text_output.report_truncated(best.truncated, best.count, reranker.manifest.max_tokens)
    return 0


class _Best:
    """The best documents so far, and how many there were."""

    def __init__(self, top_k: int | None) -> None:
        self.count = self.truncated = 0
        self._top_k = top_k
        self._kept: list[tuple[float, int, bool, str]] = []  # minus the score, so that the best sorts first

    def add(self, documents: list[str], ranked: Iterable[Ranked]) -> None:
        """More documents, and their ranking."""
        for each in ranked:
            self._kept.append((-each.score, self.count + each.index, each.truncated, documents[each.index]))
            self.truncated += each.truncated
        self.count += len(documents)
        if self._top_k is not None and len(self._kept) > self._top_k + _SPARE:
            self._drop()

    def rows(self) -> Iterable[tuple[int, float, bool, str]]:
        """Index, score, whether it was cut, and the document; the best first."""
        self._drop()
        return ((index, -minus, truncated, document) for minus, index, truncated, document in self._kept)

    def _drop(self) -> None:
        self._kept.sort(key=lambda row: row[:2])  # equal scores keep the order of the documents
        if self._top_k is not None:
            del self._kept[self._top_k :]


def _plain(index: int, score: float, _truncated: bool, document: str) -> str:
    columns = [f"{score:.4f}", str(index), " ".join(document.split())]
    return "\t".join(map(text_output.visible, columns)) + "\n"


def _json(index: int, score: float, truncated: bool, document: str) -> str:
    fields = {"index": index, "score": score, "document": document, "truncated": truncated}
    return json.dumps(fields, ensure_ascii=False) + "\n"
