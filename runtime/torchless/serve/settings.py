"""What can be set: one table for Python, for the flags of `torchless serve` and for TORCHLESS_… variables.

Imports nothing heavy, so that `torchless serve --help` costs what bare Python costs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from torchless.errors import InputError

from .keys import api_key


def _option(
    default: Any,
    help: str,  # noqa: A002
    *,
    least: float | None = None,
    most: float = sys.float_info.max,
    choices: tuple[str, ...] = (),
    shown: str | None = None,
    secret: bool = False,
) -> Any:
    """A field of `Settings`; `shown` is its default in words, where the value does not say it."""
    metadata = {"help": help, "least": least, "most": most, "choices": choices, "shown": shown}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to serve. Every field is a flag (`max_queue_tokens`: `--max-queue-tokens`) and a TORCHLESS_… variable.

    Raises:
        InputError: a number below its least, a word that is not one of the choices, or a key that is none.
    """

    host: str = _option("127.0.0.1", "address to listen on")
    port: int = _option(8080, "port to listen on; 0 takes a free one", least=0, most=65535)
    uds: str | None = _option(None, "path of a Unix socket to listen on instead of host and port")
    api_key: str | None = _option(
        None,
        "key that requests must send as `Authorization: Bearer KEY`, except to /health, /ready and the pages; a server "
        "with a key has /admin/reload",
        secret=True,
    )
    api_key_file: str | None = _option(None, "path of a file that holds the API key, instead of the key itself")
    precision: str = _option("auto", "variant of the bundle to serve", choices=("auto", "fp32", "fp16", "int8"))
    device: str = _option("cpu", "device to run on", choices=("cpu", "cuda"))
    pooling: str = _option(
        "auto", "how token states become an embedding; auto: as the bundle says", choices=("auto", "mean", "cls", "max")
    )
    processes: int | None = _option(
        None,
        "number of processes that listen at the address; more than 1 only on CPUs, and not on Windows",
        least=1,
        most=1024,
        shown="on Linux one per 4 CPUs, at least 2 for models of up to 48 MiB together, as far as half of the memory "
        "allows; 1 elsewhere, on a GPU, and with --workers",
    )
    workers: int | None = _option(
        None,
        "number of batches that run at the same time in each process",
        least=1,
        shown="CPUs / processes / threads, on a GPU 2",
    )
    threads: int = _option(1, "CPU threads per batch", least=1)
    lone_threads: int | None = _option(
        None,
        "CPU threads for a batch if no two have run at the same time for a second; 1 turns this off, and saves the "
        "memory of a second copy of the weights",
        least=1,
        most=1024,
        shown="all CPUs of the process, with several processes up to 4; 1 where half of the memory is not enough",
    )
    budget_tokens: int = _option(1024, "most tokens that a free worker takes from the queue at a time", least=1)
    max_queue_tokens: int = _option(
        32768,
        "most tokens that may wait; a request that does not fit now is answered 429, one that never fits 413",
        least=1,
    )
    max_batch_texts: int = _option(1024, "most texts per request; a request with more is answered 413", least=1)
    max_body_bytes: int = _option(2_000_000, "largest request body, in bytes; a larger one is answered 413", least=1)
    max_connections: int = _option(4096, "most connections; one more is answered 503 and closed", least=1)
    max_held_bytes: int = _option(
        64_000_000,
        "bytes that bodies and answers of more than 64 KiB may take together; while there is no room, they are "
        "answered 429",
        least=1,
    )
    max_json_elements: int = _option(
        16_384, "most items of lists and objects in a body, nested ones included; more are answered 413", least=1
    )
    max_text_characters: int = _option(
        200_000, "most characters per text, or per pair of texts; more are answered 413", least=1
    )
    max_header_bytes: int = _option(
        16_384, "largest request line and headers together, in bytes; larger ones are answered 431", least=1
    )
    request_timeout_s: float = _option(
        30.0,
        "seconds from a request's arrival until it is answered 503 instead, and seconds in which its client must take "
        "the answer",
        least=0.001,
    )
    read_timeout_s: float = _option(
        10.0,
        "seconds that a request may take to arrive; a slower one is answered 408. Also seconds after which a client "
        "that takes nothing of its answer is disconnected",
        least=0.001,
    )
    keep_alive_s: float = _option(75.0, "seconds after which an idle connection is closed", least=0.001)
    drain_s: float = _option(
        0.5, "seconds after SIGTERM in which the server reports not ready and still accepts connections", least=0
    )
    max_drain_s: float = _option(30.0, "seconds after that in which requests may finish", least=0)
    log_level: str = _option("info", "lowest level to log", choices=("debug", "info", "warning", "error"))
    access_log: bool = _option(True, "log one line per request, with its times and never its text")
    otlp_endpoint: str | None = _option(
        None, "URL of an OTLP/HTTP collector to send OpenTelemetry spans to (needs the extra `otel`)"
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value, least, choices = getattr(self, each.name), each.metadata["least"], each.metadata["choices"]
            if value is None:
                continue
            if value == "" and each.name != "api_key":  # of which more is asked
                raise InputError(f"{each.name}: expected something, got an empty text. To leave it out, do not set it.")
            if least is not None and not (isinstance(value, (int, float)) and value >= least):
                raise InputError(f"{each.name}: expected a number of {least} or more, got {value!r}.")
            if least is not None and value > each.metadata["most"]:
                raise InputError(f"{each.name}: expected at most {each.metadata['most']:g}, got {value!r}.")
            if choices and value not in choices:
                raise InputError(f"{each.name}: expected one of {', '.join(choices)}, got {value!r}.")
        if self.lone_threads is not None and self.device != "cpu":
            raise InputError(f"lone_threads: expected none on a GPU, got {self.lone_threads}.")
        object.__setattr__(self, "api_key", api_key(self.api_key, self.api_key_file))  # the class is frozen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag per field; where a flag is not given its variable counts, then its default."""
    for each in fields(Settings):
        help_text = f"{each.metadata['help']} (default: {_shown(each)}) [{variable(each.name)}]"
        if each.type == "bool":
            parser.add_argument(flag(each.name), action=argparse.BooleanOptionalAction, default=None, help=help_text)
        else:
            unit = each.name.rsplit("_", 1)[-1].upper()
            metavar = "|".join(each.metadata["choices"]) or {
                "S": "SECONDS",
                "UDS": "PATH",
                "FILE": "PATH",
                "ENDPOINT": "URL",
            }.get(unit, unit)
            parser.add_argument(flag(each.name), metavar=metavar, help=help_text)


def _shown(setting: Field[Any]) -> str:
    if setting.type == "bool":
        return "yes" if setting.default else "no"
    return setting.metadata["shown"] or ("none" if setting.default is None else str(setting.default))


def from_options(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags, then TORCHLESS_… variables, then defaults.

    Raises:
        InputError: a value that is none; the message names the flag or the variable.
    """
    values: dict[str, Any] = {}
    for each in fields(Settings):
        given, origin = getattr(options, each.name), flag(each.name)
        if given is None and variable(each.name) in environment and not is_service_link(each.name, environment):
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


def is_service_link(name: str, environment: Mapping[str, str]) -> bool:
    """Whether Kubernetes has set a field's variable: for a Service called torchless, TORCHLESS_PORT=tcp://10.0.0.1:80.

    The other variables of such a Service (TORCHLESS_SERVICE_HOST, TORCHLESS_PORT_80_TCP, …) are no setting's.
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    return name == "port" and environment.get(variable(name), "").startswith(("tcp://", "udp://", "sctp://"))


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
