"""How exact int8 is: trained models, ours beside the peers'.

datasets.py      public sets of texts, divided into training and test rows
bodies.py        a trained MiniLM, written as other architectures
training.py      fine-tunes a body on a set: minutes on two cores
models.py        the models of the table, trained once and kept in a folder
measures.py      a contender's answers beside PyTorch's
taggers.py       the same of models that classify tokens, by the export's own report
table.py         the rows of all others; the command: `python -m torchless_bench.exactness`
ranking.py       a command: how a cross-encoder's scores correlate with those of people
"""
