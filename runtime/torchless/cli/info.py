"""`torchless info`."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchless.bundle.bundle import Bundle

_KINDS = {
    "classifier": "classifier: labels for texts",
    "token_classifier": "token classifier: labels for the tokens of texts",
    "encoder": "encoder",
}
_SCORES = {"softmax": "softmax", "sigmoid": "sigmoid", "none": "logits as they are"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("model", metavar="MODEL", help="a bundle: a folder, an installed model package or a Hub id")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON (default: a summary to read)")


def run(options: argparse.Namespace) -> int:
    """Show a bundle's manifest."""
    from torchless.bundle.bundle import Bundle

    from .stdout import stdout
    from .text_output import visible

    bundle = Bundle.open(options.model)
    with stdout():
        if options.json:
            print(bundle.manifest.to_bytes().decode(), end="")
        else:
            for name, value in _lines(bundle):
                print(f"{name:<12} {visible(value)}")
    return 0


def _lines(bundle: Bundle) -> list[tuple[str, str]]:
    manifest = bundle.manifest
    source = manifest.source
    ranking = manifest.ranking_activation
    origin = " ".join(filter(None, [source.name, source.revision, f"({source.architecture})"]))
    lines = [
        ("bundle", str(bundle.path)),
        ("from", origin),
        ("license", source.license or "not stated"),
        ("kind", _KINDS[manifest.kind]),
        ("labels", ", ".join(manifest.labels) if manifest.labels else "none: an encoder without a head"),
        *([("scores", _SCORES[manifest.activation])] if manifest.labels else []),
        ("reads", "texts and pairs of texts" if manifest.pairs else "texts"),
        *([("ranks", f"documents by a query; scores: {_SCORES[ranking]}")] if manifest.ranks else []),
        ("limit", f"{manifest.max_tokens} tokens per text"),
        ("hidden size", str(manifest.hidden_size)),
        ("vectors", f"{manifest.pooling} of token states{', scaled to length 1' if manifest.normalize else ''}"),
        ("graphs", manifest.layout),
    ]
    for precision, variant in manifest.variants.items():
        size = sum(manifest.files[name].size_bytes for name in variant.files)
        default = ", the default" if precision == manifest.default_precision else ""
        lines.append((precision, f"{size / 1e6:.1f} MB{default}"))
    for report, figures in manifest.quality.items():
        lines += [
            (report, f"{name.replace('_', ' ')}: {_short(value)}")
            for name, value in figures.items()
            if value is not None
        ]
    lines.append(("made by", manifest.created_by))
    return lines


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
