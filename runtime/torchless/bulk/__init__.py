"""Files of any size: whole rows in, whole rows out with the answers beside them, and resumable.

input_files.py      which files a name means, and what tells whether they are the same as before
folder_columns.py   columns that stand in the names of folders
formats.py          formats and compressions by name
compression.py      .gz and .zst, read and written
rows.py             what every format becomes: blocks of rows with their texts
line_rows.py        a file of CSV, TSV, JSON lines, JSON or plain text; line_formats.py: how each is read; byte_lines.py
                    bounds its lines
line_source.py      all files of those formats; json_scan.py: the columns of JSON lines
arrow_rows.py       files of Parquet and Arrow; arrow_files.py opens them; arrow.py: pyarrow; dictionaries.py: columns
                    that have them; int96.py: Spark's timestamps
chunks.py          rows into chunks: what is planned, answered and kept together
questions.py        what a model is asked, and its answers as columns: classify.py, embed.py
columns.py          the new columns: names, types, values
answering.py        where the model runs; overlap.py: reading and tokenising, inference, and writing side by side
target.py           what writes an output: line_output.py (CSV, TSV, JSON lines), arrow_output.py (Parquet, Arrow)
kept.py             the finished chunks beside the output, until it is complete
side_file.py        rows that could not be answered
progress.py         how far it is
job.py              a run as it is asked for, checked before any work
run.py              all of these together
"""
