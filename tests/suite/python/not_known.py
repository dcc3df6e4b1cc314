"""What DuckDB sees of a file whose rows do not know everything of their events: the record, and the rows with NULL."""

import sys

import duckdb

file = sys.argv[1]
record = duckdb.execute(
    "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = 'snapback.not_known'", [file]
).fetchone()[0]
times, keys = duckdb.execute(
    "SELECT count(*) FILTER (kafka_timestamp IS NULL AND kafka_timestamp_raw IS NULL),"
    " count(*) FILTER (key IS NULL) FROM read_parquet(?)",
    [file],
).fetchone()
print(record, times, keys)
