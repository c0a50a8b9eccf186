"""Scripts that measure `torchless serve`. Client and servers run on this machine and use its loopback only.

    python -m torchless_bench.serving.load MODEL --texts FILE
    python -m torchless_bench.serving.overload MODEL --texts FILE
    python -m torchless_bench.serving.faults MODEL
    python -m torchless_bench.serving.peers MODEL --against CHECKPOINT --texts FILE

Each prints a table. With `--output FOLDER` it also replaces its section of serving.md in that folder, and adds its rows
to serving.jsonl there.

contest.py      servers beside each other; servers.py says which, and `torchless bench` measures the same
client.py       the HTTP client that sends the load
process.py      starts and stops a server
ideal.py        what queueing theory allows
report.py       the options that all scripts have, and what they write
peer_servers/   servers that people write around transformers
"""
