"""How `torchless serve` is judged: load, overload, faults, and other servers. Everything stays on the loopback.

    python -m torchless_bench.serving.load MODEL --texts FILE
    python -m torchless_bench.serving.overload MODEL --texts FILE
    python -m torchless_bench.serving.faults MODEL
    python -m torchless_bench.serving.peers MODEL --against CHECKPOINT --texts FILE

Each prints its table, and with `--output FOLDER` adds it to serving.md and its numbers to serving.jsonl there.
"""
