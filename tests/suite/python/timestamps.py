"""Produces events with timestamps that readers can show and that they cannot (`produce`), and reads every timestamp of a store
with DuckDB and pyarrow (`read`), one line for each event."""
import sys

import duckdb
import pyarrow.dataset
from confluent_kafka import Producer

# The years 1 and 9999 at their ends, the moments beside them, and nanoseconds.
TIMESTAMPS = [253402300799999, 253402300800000, 1764201600000000000, 1764201600000, 0]
PAYLOADS = [b'{"number": %d}', b'{"number": "%d"}']

what, *args = sys.argv[1:]
if what == "produce":
    brokers, topic = args
    producer = Producer({"bootstrap.servers": brokers})

    def delivered(error, _message):
        if error:
            sys.exit(f"not delivered: {error}")

    for number, timestamp in enumerate(TIMESTAMPS):
        for payload in PAYLOADS:
            producer.produce(topic, payload % number, partition=0, timestamp=timestamp, on_delivery=delivered)
    assert producer.flush(30) == 0
else:
    (root,) = args
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    for kind in ["results", "rejects"]:
        files = f"{root}/{kind}/partition=*/*.parquet"
        rows = db.execute(f"SELECT * FROM read_parquet('{files}') ORDER BY kafka_offset").fetchall()
        times = db.execute(f"""
            SELECT kafka_offset, epoch_ms(kafka_timestamp), kafka_timestamp_raw
            FROM read_parquet('{files}') ORDER BY kafka_offset
        """).fetchall()
        table = pyarrow.dataset.dataset(f"{root}/{kind}", format="parquet", partitioning="hive").to_table()
        table = table.sort_by("kafka_offset")
        shown = table["kafka_timestamp"].to_pylist()
        raw = table["kafka_timestamp_raw"].to_pylist()
        assert len(rows) == len(times) == len(shown) == len(TIMESTAMPS), (rows, times, shown)
        for (offset, time, own), pyarrows, pyarrows_raw in zip(times, shown, raw):
            assert (time is None) == (pyarrows is None) and own == pyarrows_raw, (time, pyarrows, own)
            print(kind, offset, time, own)
