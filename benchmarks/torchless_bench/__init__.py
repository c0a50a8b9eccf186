"""Torchless beside PyTorch and its other alternatives, measured on this machine.

command.py      `torchless bench`, top to bottom
contenders/     who takes part: one file an engine
worker.py       one contender in its own process; process.py is our end of the line
contest.py      loads all, compares answers, then times them in interleaved rounds
workloads.py    what is timed; texts.py makes the texts
cold_start.py peak.py installed_size.py     what is measured outside the contest
statistics.py results.py markdown.py plots.py       from times to what people read
"""
