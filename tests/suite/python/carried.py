"""Produces events with keys and times of their own.

usage: carried.py BROKERS TOPIC EVENTS   (EVENTS: a JSON list of [key, milliseconds, payload])
"""
import json
import sys

from confluent_kafka import Producer

brokers, topic, events = sys.argv[1:]
producer = Producer({"bootstrap.servers": brokers})


def delivered(error, _message):
    if error:
        sys.exit(f"not delivered: {error}")


for key, timestamp, payload in json.loads(events):
    producer.produce(topic, payload.encode(), key=key, partition=0, timestamp=timestamp, on_delivery=delivered)
assert producer.flush(30) == 0
