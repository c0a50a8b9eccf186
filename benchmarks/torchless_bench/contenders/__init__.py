"""What takes part in a benchmark.

contender.py        what a contender is: what it is given, and what it must answer
tables.py           all contenders by name; the first of each table is the reference
hf_checkpoint.py    tokenizer and label names, for those that read the checkpoint
converted.py        models that contenders convert, made once
onnx_graph.py       the ONNX graph that several of them run

Every other file loads one contender, in each of its precisions.
"""
