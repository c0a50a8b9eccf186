"""`torchless serve`: its sockets, and as many processes as it should have."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from contextlib import suppress
from dataclasses import replace

from torchless.errors import TorchlessError
from torchless.running.threads import available_threads

from .handover import Handover
from .listening import listen_tcp, listen_unix
from .logs import flush, log, log_error, use_json
from .server import serve_here
from .settings import Settings, is_service_link, variable
from .sizing import lone_threads, process_count
from .supervisor import Supervisor

_OTHER_FILES = 256  # beside connections


def serve(sources: dict[str, str], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that have arrived.

    The port is open while models are loading: /health answers 200, /ready 503.

    Raises:
        BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError: a model
            could not be loaded; with several processes a TorchlessError with the same message.
        ListenError: the address cannot be listened on.
        InputError: several processes on a GPU, or on Windows.
    """
    processes = process_count(sources.values(), settings)
    if settings.device == "cpu":  # once for all processes, also those that begin later, with less memory left
        threads = lone_threads(sources.values(), settings, processes)
        settings = replace(settings, lone_threads=threads, api_key_file=None)  # the key has been read
    # Texts come a few at a time, and the tokenizer's own threads would take CPUs from the model's.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    use_json(settings.log_level, thread=processes == 1)
    if processes > 1 and processes * settings.threads > 2 * available_threads():
        log("more processes than CPUs", processes=processes, cpus=available_threads())
    _allow_files(settings.max_connections + _OTHER_FILES)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its info lines repeat ours
    if is_service_link("port", os.environ):
        address = os.environ[variable("port")]
        log("TORCHLESS_PORT is ignored: Kubernetes sets it for a Service called torchless", value=address)
    listeners = [listen_unix(settings.uds)] if settings.uds else listen_tcp(settings.host, settings.port)
    if processes == 1:
        serve_here(sources, settings, listeners)
        return

    def work(channel: socket.socket, handover: Handover) -> None:
        code = 1
        use_json(settings.log_level)
        try:
            serve_here(sources, settings, listeners, channel, handover)
            code = 0
        except TorchlessError as error:
            log_error("a process ends", process=handover.row.place, error=str(error))
        except Exception:
            log_error("a process ends", process=handover.row.place, exception=traceback.format_exc())
        finally:
            flush()
            os._exit(code)  # what the supervisor would do at its exit is not ours

    Supervisor(settings, processes, listeners, work).run()


def _allow_files(wanted: int) -> None:
    """Let the process open as many files as the system lets it; the usual soft limit is 1024."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
