"""DuckDB's anti-join of today's audience with yesterday's, and COPY of what is left: the delta that a person would write.

usage: duckdb_delta.py YESTERDAY.parquet AUDIENCE TODAY.parquet OUT.csv

Reads and normalises the audience as duckdb_copy.py does, keeps one row of each key, writes today's rows as Parquet for the next
night, and those that are not among yesterday's as CSV. Without a YESTERDAY.parquet all are written.
"""

import sys
from pathlib import Path

import duckdb
from duckdb_copy import keyed

yesterday, audience, today, out = sys.argv[1:5]
duckdb.sql("SET preserve_insertion_order = false")
rows = f"SELECT any_value(COLUMNS(* EXCLUDE k)) FROM ({keyed(audience)}) GROUP BY k"
duckdb.sql(f"COPY ({rows}) TO '{today}' (FORMAT parquet)")
changed = f"SELECT * FROM '{today}'"
if Path(yesterday).exists():
    changed += f" EXCEPT SELECT * FROM '{yesterday}'"
duckdb.sql(f"COPY ({changed}) TO '{out}' (FORMAT csv, HEADER)")
