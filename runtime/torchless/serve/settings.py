"""What can be set: one table for Python, for the flags of `torchless serve` and for TORCHLESS_… variables.

Imports nothing heavy, so that `torchless serve --help` costs what bare Python costs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torchless.errors import InputError


def _option(default: Any, help: str, *, least: float | None = None, choices: tuple[str, ...] = ()) -> Any:  # noqa: A002
    return field(default=default, metadata={"help": help, "least": least, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to serve. Every field is a flag (`max_queue_tokens`: `--max-queue-tokens`) and a TORCHLESS_… variable.

    Raises:
        InputError: a number below its least, or a word that is not one of the choices.
    """

    host: str = _option("127.0.0.1", "address to listen on")
    port: int = _option(8080, "port to listen on; 0 takes a free one", least=0)
    uds: str | None = _option(None, "listen on this Unix socket instead")
    api_key: str | None = _option(None, "ask every request for `Authorization: Bearer KEY`; allows /admin/reload")
    precision: str = _option("auto", "variant to serve", choices=("auto", "fp32", "fp16", "int8"))
    device: str = _option("cpu", "where to run", choices=("cpu", "cuda"))
    pooling: str = _option("auto", "how token states become an embedding", choices=("auto", "mean", "cls", "max"))
    workers: int | None = _option(None, "batches that run at once; default: CPUs / threads, 2 on a GPU", least=1)
    threads: int = _option(1, "threads that one batch runs on", least=1)
    budget_tokens: int = _option(1024, "tokens that a free worker takes from the queue at a time", least=1)
    max_queue_tokens: int = _option(32768, "tokens that may wait; beyond it requests get 429", least=1)
    max_batch_texts: int = _option(1024, "texts that one request may hold; beyond it 413", least=1)
    max_body_bytes: int = _option(2_000_000, "size of a request's body; beyond it 413", least=1)
    max_header_bytes: int = _option(16_384, "size of a request's line and headers; beyond it 431", least=1)
    request_timeout_s: float = _option(30.0, "seconds from a request's arrival; beyond it 503", least=0.001)
    read_timeout_s: float = _option(10.0, "seconds that a client may take to send a request; then 408", least=0.001)
    keep_alive_s: float = _option(75.0, "seconds that an idle connection stays open", least=0.001)
    drain_s: float = _option(0.5, "after SIGTERM, seconds of not being ready before new connections end", least=0)
    max_drain_s: float = _option(30.0, "seconds that requests have to finish after that", least=0)
    log_level: str = _option("info", "least level to log", choices=("debug", "info", "warning", "error"))
    access_log: bool = _option(True, "one line a request: its times, never its text")
    otlp_endpoint: str | None = _option(None, "send OpenTelemetry spans to this OTLP/HTTP collector (extra `otel`)")

    def __post_init__(self) -> None:
        for each in fields(self):
            value, least, choices = getattr(self, each.name), each.metadata["least"], each.metadata["choices"]
            if value is None:
                continue
            if least is not None and not (isinstance(value, (int, float)) and value >= least):
                raise InputError(f"{each.name}: expected a number of {least} or more, got {value!r}.")
            if choices and value not in choices:
                raise InputError(f"{each.name}: expected one of {', '.join(choices)}, got {value!r}.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag for each field; its variable is the default."""
    for each in fields(Settings):
        default = "" if each.default is None else f" (default: {each.default})"
        help_text = f"{each.metadata['help']}{default}"
        if each.type == "bool":
            parser.add_argument(flag(each.name), action=argparse.BooleanOptionalAction, default=None, help=help_text)
        else:
            metavar = "|".join(each.metadata["choices"]) or each.name.rsplit("_", 1)[-1].upper()
            parser.add_argument(flag(each.name), metavar=metavar, help=help_text)


def from_options(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags, then TORCHLESS_… variables, then defaults.

    Raises:
        InputError: a value that is none; the message names the flag or the variable.
    """
    values: dict[str, Any] = {}
    for each in fields(Settings):
        given, origin = getattr(options, each.name), flag(each.name)
        if given is None and variable(each.name) in environment:
            given, origin = environment[variable(each.name)], variable(each.name)
        if given is not None:
            values[each.name] = _parse(given, str(each.type), origin)
    return Settings(**values)


def flag(name: str) -> str:
    """`max_queue_tokens` to `--max-queue-tokens`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """`max_queue_tokens` to `TORCHLESS_MAX_QUEUE_TOKENS`."""
    return "TORCHLESS_" + name.upper()


_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _parse(value: str | bool, kind: str, origin: str) -> Any:
    if isinstance(value, bool):
        return value
    kind = kind.removesuffix(" | None")
    try:
        if kind == "bool":
            return _TRUTH[value.lower()]
        return int(value) if kind == "int" else float(value) if kind == "float" else value
    except (ValueError, KeyError):
        expected = {"int": "a whole number", "float": "a number", "bool": "true or false"}[kind]
        raise InputError(f"{origin}: expected {expected}, got {value!r}.") from None
