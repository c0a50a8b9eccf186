"""One module a command: `add_arguments(parser)` and `run(options) -> exit code`.

Whatever is heavy is imported inside `run`, so that `--help` costs what bare Python costs.
"""
