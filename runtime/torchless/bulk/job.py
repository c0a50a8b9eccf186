"""What is to be done, checked as far as it can be before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy
import onnxruntime
import tokenizers

from torchless import __version__
from torchless.atomic_files import writing
from torchless.bundle.bundle import Bundle
from torchless.errors import InputError
from torchless.inputs.same_file import is_same, refuse_input
from torchless.inputs.text_files import TEXT_COLUMNS

from . import json_scan, side_file
from .columns import Column, refuse_collisions, refuse_repeated
from .folder_columns import folder_columns
from .formats import ARROW, Format, readable_format, writable_format
from .input_files import STDIN, InputFile, digest, find, spool
from .kept import Identity, Kept, folder_of
from .line_source import LineSource
from .questions import Question
from .rows import Source, Wanted
from .target import Target

MEMORY = 256 << 20  # bytes for rows, texts, tokens and answers that are in work
_VERSION = "3"  # of the chunks and of what is kept of them; count it up where either changes between two releases


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        input: a file, a folder, a pattern, or - for stdin.
        output: the file to make.
        question: what the model is asked.
        wanted: which columns make a text.
        input_format: where the user has named it.
        memory: bytes for what is in work.
        strict: stop at the first bad row.
        restart: drop what an unfinished run has kept.
        overwrite: replace an output that exists, and its list of rows without an answer.
        stdin: what - means; None is the process's.
    """

    input: str
    output: str
    question: Question
    wanted: Wanted = field(default_factory=lambda: Wanted(TEXT_COLUMNS))
    input_format: str | None = None
    memory: int = MEMORY
    strict: bool = False
    restart: bool = False
    overwrite: bool = False
    stdin: IO[bytes] | None = None


@dataclass(frozen=True)
class Begun:
    """A job that has been checked, and whose run has begun.

    Attributes:
        output: the file to make; links are followed.
        files: the input.
        source: its rows.
        folders: the columns that the names of folders hold.
        target: how rows are written.
        bundle: the model's.
        question: what is asked, of that bundle.
        kept: what is finished.
    """

    output: Path
    files: Sequence[InputFile]
    source: Source
    folders: Sequence[Column]
    target: Target
    bundle: Bundle
    question: Question
    kept: Kept


def begin(job: Job, where: str) -> Begun:
    """Check a job, and begin or continue its run.

    Args:
        job: what is to be done.
        where: what answers it: "onnxruntime", "Ray"; a run is continued by the same.

    Raises:
        InputError: it cannot be done as it is asked for; the message says why.
        BundleError: the model cannot be opened.
        MissingExtraError: a format needs pyarrow.
        OutputError: the folder of the output cannot be written.
    """
    output = _output(job)
    written = writable_format(job.output)
    files = [] if job.input == STDIN else _files(job, output)
    if output.exists() and not job.overwrite:
        raise InputError(f"--output {job.output}: the file exists. Replace it with --overwrite, or name another.")
    _refuse_side_file(job, output)
    kept = None if files else Kept(output)
    try:
        files = files or [_spooled(job, kept)]
        source = source_of(files, job.wanted)
        folders = folder_columns(files, source.names)
        present = [*source.names, *(column.name for column in folders)]
        refuse_collisions(job.question.columns(), present, f"--input {job.input}")
        bundle = job.question.model.bundle()
        _check_pairs(job, bundle)
        target = _target(job, source, written, [*folders, *job.question.columns(bundle)])
        identity = _identity(job, files, bundle, where)
        kept = kept or Kept(output)
        kept.begin(identity, restart=job.restart)
        question = job.question.asked(digest=bundle.digest)
        return Begun(output, files, source, folders, target, bundle, question, kept)
    except BaseException:
        if kept is not None:
            kept.leave()
        raise


def _output(job: Job) -> Path:
    with writing(Path(job.output)):  # a relative name has no place where the working directory was deleted
        output = Path(os.path.realpath(job.output))
    if output.exists() and not output.is_file():
        raise InputError(f"--output {job.output}: expected the name of a file, got {_what(output)}.")
    if not output.parent.is_dir():
        raise InputError(f"--output {job.output}: there is no folder {output.parent}.")
    return output


def _what(path: Path) -> str:
    return "a folder" if path.is_dir() else "a pipe or a device"


def _refuse_side_file(job: Job, output: Path) -> None:
    """Refuse to replace what stands in the place of the list of errors, unless it is such a list of an earlier run."""
    beside = side_file.side_file_of(output)
    if not os.path.lexists(beside) or (beside.is_file() and (job.overwrite or side_file.is_one(beside))):
        return
    if not beside.is_file():
        raise InputError(f"--output {job.output}: expected a file at {beside}, got {_what(beside)}. Name another.")
    raise InputError(
        f"--output {job.output}: {beside} exists, where rows without an answer are listed, and is no such list. "
        "Replace it with --overwrite, or name another output."
    )


def _files(job: Job, output: Path) -> list[InputFile]:
    beside = {folder_of(output), side_file.side_file_of(output)}
    files = find(job.input, job.input_format, beside)
    for file in files:
        refuse_input(job.output, file.path, file.name)
        path = Path(os.path.realpath(file.path))
        if any(is_same(made, each) for made in beside for each in (path, *path.parents)):
            raise InputError(f"--input {job.input}: {file.name} is made by writing {job.output}. Write elsewhere.")
    return files


def _spooled(job: Job, kept: Kept | None) -> InputFile:
    if job.input_format is None:
        raise InputError("--input -: name the format of stdin with --input-format.")
    assert kept is not None  # made for this
    return spool(job.stdin or sys.stdin.buffer, kept.stdin, readable_format("", job.input_format).kind)


def source_of(files: Sequence[InputFile], wanted: Wanted) -> Source:
    """The rows of files, which have one format.

    Raises:
        InputError: a file cannot be read, or a column is missing.
        MissingExtraError: the format needs pyarrow.
    """
    if files[0].format.kind in ARROW:
        from .arrow_rows import ArrowSource

        return ArrowSource(files, wanted)
    return LineSource(files, wanted)


def _check_pairs(job: Job, bundle: Bundle) -> None:
    if (job.wanted.pair_column or job.wanted.pair is not None) and not bundle.manifest.pairs:
        raise InputError(f"{job.question.model.name} takes single texts. Leave out --pair and --pair-column.")


def _target(job: Job, source: Source, written: Format, columns: Sequence[Column]) -> Target:
    json = source if isinstance(source, LineSource) and source.kind in ("json", "jsonl") else None
    if written.arrow:
        from .arrow import pyarrow
        from .arrow_output import ArrowOutput
        from .arrow_rows import ArrowSource

        arrow = pyarrow(f"writing {job.output}")
        schema: Any = getattr(source, "schema", None)
        if schema is None and json:
            schema = json_scan.schema(json.found(), columns, arrow, job.input)
        elif schema is None:
            schema = arrow.schema([(name, arrow.string()) for name in source.names])
        if written.kind == "parquet":
            refuse_repeated(schema.names, "Parquet")
        dictionaries = source.dictionaries() if isinstance(source, ArrowSource) else {}
        return ArrowOutput(written, schema, dictionaries, columns, job.output)
    from .line_output import LineOutput

    if written.kind != "jsonl":
        names = json_scan.keys(json.found(), columns, job.input) if json else source.names
    elif json:
        json_scan.check(json.found(), columns)
        names = []  # every object has its own
    else:
        names = source.names
        refuse_repeated(names, "JSON lines")
    return LineOutput(written, source, names, columns)


def _identity(job: Job, files: Sequence[InputFile], bundle: Bundle, where: str) -> Identity:
    """What a run must have in common with the one that it continues, each by the word of a message."""
    return {
        "version of Torchless": f"{__version__}, {_VERSION}",
        **{f"version of {package.__name__}": package.__version__ for package in (numpy, onnxruntime, tokenizers)},
        "input": digest(files),
        "name of a folder": repr([file.folders for file in files if file.folders]),
        "model": bundle.digest,
        "text column": repr((list(job.wanted.column), job.wanted.pair_column, job.wanted.pair)),
        "--input-format": files[0].format.kind,
        "--memory": str(job.memory),
        "place of the model": where,
        **job.question.options(),
    }
