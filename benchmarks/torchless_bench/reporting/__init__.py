"""From measurements to what people read.

results.py      all that a run measured, and comparisons between its contenders
records.py      the lines of results.jsonl
markdown.py     the tables of results.md
plots.py        the plots, drawn from the records
"""
