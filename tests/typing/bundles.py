"""Bundles, the errors around them, the server and the export."""

from pathlib import Path
from typing import assert_type

import torchless
from torchless import Bundle, Manifest, TorchlessError, verify
from torchless.errors import BundleError, BundleNotFoundError, InputError, MissingExtraError
from torchless.package import package
from torchless.push import push
from torchless.serve import create_app
from torchless.serve.settings import Settings
from torchless.shipping.verify import VerificationReport
from torchless_export import ExportError, ExportReport, export
from torchless_export.quality import Gates
from torchless_export.samples import Columns


def bundles() -> None:
    bundle = Bundle.open("models/sst2-mini", revision="v2")
    assert_type(bundle, Bundle)
    assert_type(bundle.path, Path)
    assert_type(bundle.manifest, Manifest)
    assert_type(bundle.manifest.labels, tuple[str, ...])
    assert_type(bundle.manifest.max_tokens, int)
    assert_type(bundle.read("tokenizer.json"), bytes)
    assert_type(verify(Path("here")), list[VerificationReport])
    assert_type(push("here", "org/name", private=True), str)
    assert_type(package("here", version="1.0"), Path)
    bundle.manifest.labels = ("a",)  # type: ignore[misc]
    verify(None)  # type: ignore[arg-type]
    package("here", version=1)  # type: ignore[arg-type]


def errors() -> None:
    try:
        Bundle.open("here")
    except FileNotFoundError as error:
        assert_type(error, FileNotFoundError)
    not_found: FileNotFoundError = BundleNotFoundError("here", "nothing is there")
    wrong: ValueError = InputError("wrong")
    missing: ImportError = MissingExtraError("torchless serve", "starlette", "serve")
    kinds: list[type[TorchlessError]] = [BundleError, torchless.errors.InputError, ExportError]
    for kept in (not_found, wrong, missing, kinds):
        del kept


def serving() -> None:
    settings = Settings(port=0, workers=None, max_queue_tokens=16384)
    app = create_app({"sst2": "models/sst2-mini", "topics": Path("topics")}, settings)
    create_app("models/sst2-mini")
    assert_type(app.service.ready, bool)
    Settings(port="8080")  # type: ignore[arg-type]
    Settings("127.0.0.1")  # type: ignore[call-arg]
    settings.port = 1  # type: ignore[misc]
    create_app(["models/sst2-mini"])  # type: ignore[arg-type]


def exporting() -> None:
    report = export(
        "checkpoint",
        Path("out"),
        precisions=["fp32", "int8"],
        gates=Gates(max_disagreement=0.02),
        columns=Columns(text="sentence"),
        say=print,
    )
    assert_type(report, ExportReport)
    assert_type(report.parity.max_logit_difference, float | None)
    export("checkpoint", "out", precisions=["int4"])  # type: ignore[list-item]
    export("checkpoint")  # type: ignore[call-arg]
    Gates(max_difference="small")  # type: ignore[arg-type]
