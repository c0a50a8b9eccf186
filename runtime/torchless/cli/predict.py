"""`torchless predict`."""

from __future__ import annotations

import argparse
import functools
import itertools
import json

from torchless.errors import InputError

from . import file_names, table_output, text_input, text_output
from .status_line import StatusLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from torchless.answers.ranking import Answers, Prediction, Ranking, Threshold
    from torchless.bulk.questions import Model, Question
    from torchless.inputs.arguments import Text

    Answer = Callable[[list[Text]], Answers]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    text_input.add_arguments(parser)
    parser.add_argument(
        "--top-k",
        metavar="N|all",
        type=text_input.top_k,
        help="number of labels per text, best first (default: 1, or all if --threshold is given)",
    )
    parser.add_argument(
        "--threshold",
        metavar="[LABEL=]X",
        action="append",
        type=_threshold,
        help="leave out labels with a score below X, from 0 to 1 unless --activation is none; LABEL=X sets it for one "
        "label, and then each other label needs one too, or a common X (default: no label is left out)",
    )
    parser.add_argument(
        "--activation",
        choices=["softmax", "sigmoid", "none"],
        help="function that turns logits into scores (default: the bundle's)",
    )
    text_input.add_window_arguments(parser)
    _add_zero_shot_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per text (default: label, score and text as columns)"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=file_names.output_name,
        help="file to write, whole or not at all: .txt, or with --json .jsonl; with --input a table is written with "
        "all columns of the input, see below (default, and -: stdout)",
    )
    table_output.add_arguments(parser)


def _add_zero_shot_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "labels of your own", "Zero-shot classification. It needs a model for natural language inference (NLI)."
    ).add_argument
    group("--candidate-labels", metavar="A,B,…", help="labels to choose from, separated by commas")
    group(
        "--hypothesis-template",
        metavar="TEXT",
        help="sentence with {} where the label goes (default: This example is {}.)",
    )
    group(
        "--entailment",
        metavar="LABEL",
        help="the model's label for 'follows from the text' (default: the one that begins with entail)",
    )
    group(
        "--multi-label",
        action="store_true",
        help="score each label on its own, because several may be right (default: the scores of a text sum to 1)",
    )


def run(options: argparse.Namespace) -> int:
    """Label texts, chunk by chunk."""
    _refuse_contradictions(options)
    options.windows = text_input.windows(options)
    options.top_k = options.top_k or ("all" if options.threshold else 1)
    if table_output.wanted(options):
        return table_output.run(options, functools.partial(_question, options))
    file_names.refuse_other_format(options, "JSON lines" if options.json else "text", tables=True)
    chunks = text_input.read(options)
    first = next(chunks, [])  # an error in the input is reported before the model is loaded
    limit, ranking, answer = _zero_shot(options) if options.candidate_labels is not None else _classifier(options)
    form = _plain if not options.json else _json_best if options.top_k == 1 and not options.threshold else _json_ranking
    count = truncated = windowed = 0
    with text_output.text_output(options.output) as write, StatusLine() as status:
        for chunk in itertools.chain([first], chunks):
            if count:
                status.show(f"{count:,} texts labelled")
            answers = answer(chunk)
            about: list[dict[str, Any]] = [{"truncated": bool(cut)} for cut in answers.truncated]
            if options.windows:
                about = [{**each, "windows": int(n)} for each, n in zip(about, answers.windows, strict=True)]
            status.clear()
            write("".join(map(form, chunk, ranking.of(answers), about)))
            truncated += int(answers.truncated.sum())
            windowed += int((answers.windows > 1).sum())
            count += len(chunk)
    text_output.report_truncated(truncated, count, options.window or limit)
    text_output.report_windows(windowed, count)
    return 0


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if options.candidate_labels is None:
        if options.hypothesis_template is not None or options.entailment is not None or options.multi_label:
            options.wrong_usage("--hypothesis-template, --entailment and --multi-label need --candidate-labels")
        return
    others = ("activation", "stride", "combine", "window", "pair", "pair_column")
    given = [f"--{name.replace('_', '-')}" for name in others if getattr(options, name) is not None]
    if given:
        options.wrong_usage(f"{', '.join(given)}: not allowed with --candidate-labels")


def _classifier(options: argparse.Namespace) -> tuple[int, Ranking, Answer]:
    """The limit in tokens, and how texts become answers and answers predictions."""
    from torchless.answers.ranking import Ranking
    from torchless.classifier import Classifier

    classifier = Classifier.load(options.model, **text_input.running(options))
    activation = options.activation or classifier.manifest.activation
    threshold = _thresholds(options.threshold, classifier.labels) if options.threshold else None
    ranking = Ranking(classifier.labels, activation, text_input.number(options.top_k), threshold)
    answer = functools.partial(classifier.answer, activation=activation, windows=options.windows)
    return classifier.manifest.max_tokens, ranking, answer


def _zero_shot(options: argparse.Namespace) -> tuple[int, Ranking, Answer]:
    from torchless.answers.ranking import Ranking
    from torchless.zero_shot import TEMPLATE, ZeroShotClassifier

    labels = _labels(options)
    running = text_input.running(options)
    classifier = ZeroShotClassifier.load(options.model, entailment=options.entailment, **running)
    answer = functools.partial(
        classifier.answer,
        labels=labels,
        hypothesis_template=TEMPLATE if options.hypothesis_template is None else options.hypothesis_template,
        multi_label=options.multi_label,
    )
    threshold = _thresholds(options.threshold, labels) if options.threshold else None
    return (
        classifier.manifest.max_tokens,
        Ranking(labels, "softmax", text_input.number(options.top_k), threshold),
        answer,
    )


def _question(options: argparse.Namespace, model: Model) -> Question:
    """What a run that writes a table asks."""
    from torchless.bulk.classify import Classify, ZeroShot
    from torchless.zero_shot import TEMPLATE

    asked: dict[str, Any] = {"prefix": options.prefix or "", "top_k": text_input.number(options.top_k)}
    asked["threshold"] = tuple(options.threshold) if options.threshold else None
    asked["thresholds"] = _thresholds
    if options.candidate_labels is None:
        return Classify(model, windows=options.windows, activation=options.activation, **asked)
    template = options.hypothesis_template
    return ZeroShot(
        model,
        labels=_labels(options),
        hypothesis_template=TEMPLATE if template is None else template,
        entailment=options.entailment,
        multi_label=options.multi_label,
        **asked,
    )


def _labels(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(label.strip() for label in options.candidate_labels.split(","))


def _threshold(value: str) -> tuple[str | None, float]:
    label, equals, number = value.rpartition("=")
    try:
        return label if equals else None, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, or LABEL=number, got {value!r}") from None


def _thresholds(given: Sequence[tuple[str | None, float]], labels: Sequence[str]) -> Threshold:
    """One for all, with exceptions by name."""
    names = [label for label, _ in given]
    if twice := [label for label in names if names.count(label) > 1]:
        raise InputError(f"--threshold: expected one for {twice[0] or 'all labels'}, got {names.count(twice[0])}.")
    values = dict(given)
    if None not in values:
        return {label: number for label, number in given if label is not None}
    common = values.pop(None)
    return {**dict.fromkeys(labels, common), **values} if values else common  # type: ignore[dict-item]  # None is gone


def _plain(text: Text, ranking: Sequence[Prediction], _about: dict[str, Any]) -> str:
    labels = ", ".join(f"{prediction.label} {prediction.score:.4f}" for prediction in ranking) or "-"
    columns = [labels, *(" ".join(part.split()) for part in _parts(text).values())]
    return "\t".join(map(text_output.visible, columns)) + "\n"


def _json_best(text: Text, ranking: Sequence[Prediction], about: dict[str, Any]) -> str:
    (best,) = ranking
    return _json({**_parts(text), "label": best.label, "score": best.score, **about})


def _json_ranking(text: Text, ranking: Sequence[Prediction], about: dict[str, Any]) -> str:
    labels = [{"label": prediction.label, "score": prediction.score} for prediction in ranking]
    return _json({**_parts(text), "labels": labels, **about})


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _parts(text: Text) -> dict[str, str]:
    return {"text": text} if isinstance(text, str) else {"text": text.first, "text_pair": text.second}
