"""Reads the live segments of a store as an analyst does, over the plain glob, and compares them with what is expected.

usage: read_store.py STORE TOPIC   (s3://BUCKET/PREFIX reads its server from the environment)

expected_results.csv (partition,kafka_offset,number) and expected_rejects.csv (partition,kafka_offset,payload as x and
hexadecimal digits, or null) lie in the working folder. Prints one JSON object.
"""

import glob
import json
import os
import sys

import duckdb
import pyarrow.dataset
import pyarrow.fs

store, topic = sys.argv[1:]
db = duckdb.connect()


def open_segments(kind, columns):
    """Makes a view of all segments of a kind; an empty table where there are none."""
    if store.startswith("s3://"):
        server = pyarrow.fs.S3FileSystem(
            endpoint_override=os.environ["ENDPOINT"].removeprefix("http://"),
            scheme="http",
            region=os.environ["AWS_REGION"],
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        )
        folder = f"{store.removeprefix('s3://')}/{topic}/{kind}"
        if server.get_file_info(folder).type != pyarrow.fs.FileType.NotFound:
            segments = pyarrow.dataset.dataset(folder, filesystem=server, format="parquet", partitioning="hive")
            return db.register(kind, segments)
    else:
        segments = f"{store}/{topic}/{kind}/partition=*/*.parquet"
        if glob.glob(segments, recursive=True):
            return db.execute(
                f"CREATE VIEW {kind} AS SELECT * FROM read_parquet('{segments}', hive_partitioning=true)"
            )
    return db.execute(f"CREATE TABLE {kind} ({columns})")


def one(query):
    return db.execute(query).fetchone()[0]


def some(query):
    """How many rows, and the first of them."""
    rows = db.execute(query).fetchall()
    return [len(rows), [list(row) for row in rows[:5]]]


open_segments("results", '"partition" BIGINT, kafka_offset BIGINT, number BIGINT, result DECIMAL(38,0)')
open_segments("rejects", '"partition" BIGINT, kafka_offset BIGINT, payload BLOB, reason VARCHAR')
for kind, types in [
    ("results", {"partition": "BIGINT", "kafka_offset": "BIGINT", "number": "BIGINT"}),
    ("rejects", {"partition": "BIGINT", "kafka_offset": "BIGINT", "payload": "VARCHAR"}),
]:
    db.execute(f"CREATE TABLE expected_{kind} AS SELECT * FROM read_csv('expected_{kind}.csv', header=true, columns={types})")

db.execute(
    """CREATE VIEW rejected AS SELECT "partition", kafka_offset,
       coalesce('x' || lower(hex(payload)), 'null') AS payload FROM rejects"""
)


def compare(found, expected, columns):
    def difference(left, right):
        return some(f"SELECT {columns} FROM {left} ANTI JOIN {right} USING ({columns}) ORDER BY ALL")

    return {
        "rows": one(f"SELECT count(*) FROM {found}"),
        "twice": some(
            f'SELECT "partition", kafka_offset, count(*) FROM {found} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL'
        ),
        "missing": difference(expected, found),
        "unexpected": difference(found, expected),
    }


print(
    json.dumps(
        {
            "results": compare("results", "expected_results", '"partition", kafka_offset, number'),
            "rejects": compare("rejected", "expected_rejects", '"partition", kafka_offset, payload'),
            "wrong": one(
                "SELECT count(*) FROM results"
                " WHERE result::HUGEINT IS DISTINCT FROM number::HUGEINT * number::HUGEINT"
            ),
            "columns": dict(db.execute("SELECT column_name, column_type FROM (DESCRIBE results)").fetchall()),
        }
    )
)
