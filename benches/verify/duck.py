"""Recomputes every square and counts each partition's offsets, in DuckDB with one thread.

usage: duck.py GLOB ROWS
"""

import sys

import duckdb

files, rows = sys.argv[1], int(sys.argv[2])
db = duckdb.connect()
db.execute("SET threads = 1")
found = db.execute(
    """SELECT partition, count(*), min(kafka_offset), max(kafka_offset),
              count(*) FILTER (result <> CAST(number AS DECIMAL(19,0)) * CAST(number AS DECIMAL(19,0)))
       FROM read_parquet(?, hive_partitioning = true) GROUP BY partition""",
    [files],
).fetchall()
assert sum(row[1] for row in found) == rows, found
for partition, count, first, last, wrong in found:
    assert (first, last - first + 1, wrong) == (0, count, 0), (partition, count, first, last, wrong)
