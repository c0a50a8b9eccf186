"""Torchless measured beside PyTorch and other ways to run the same model, on this machine.

command.py                  `torchless bench`: its options
benchmark.py                a whole run, from options to the report
workloads.py                which calls are timed; workload_texts.py makes or reads their texts
random_distilbert.py        the checkpoint of `--shape`, with random weights
hardware_and_versions.py    what a run was measured on
beside.py                   what is measured beside the contest: cold starts, servers, memory, peak, sizes
tasks.py                    what a model can be asked for
journal.py                  what was measured, kept for `--resume`; fingerprint.py says what must not have changed
status_line.py              what a run says while it works; time_left.py and schedule.py estimate how long it takes
contenders/                 what takes part, a file for each
measuring/                  compares answers, then measures times, memory, arithmetic and size
reporting/                  results.jsonl, results.md and the plots
serving/                    scripts that measure `torchless serve`
"""

from torchless import telemetry as _telemetry

_telemetry.turn_off()  # before any contender is imported; the processes of contenders and servers inherit it
