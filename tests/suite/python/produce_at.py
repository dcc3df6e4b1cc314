"""Produces events of the year 9999, of 1970 and of the usual time."""
import sys

from confluent_kafka import Producer

brokers, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": brokers})


def delivered(error, _message):
    if error:
        sys.exit(f"not delivered: {error}")


for number, timestamp in enumerate([253402300799000, 1, 0]):
    producer.produce(topic, b'{"number": %d}' % number, partition=0, timestamp=timestamp, on_delivery=delivered)
assert producer.flush(30) == 0
