"""What snapback replaces: squares the numbers of one topic into another, keeps the results in a list, and
recalculates the list when it is stopped.

usage: old_script.py [BROKER [EVENTS [RESULTS [GROUP]]]]
"""

import json
import signal
import sys

from confluent_kafka import Consumer, KafkaError, Producer

defaults = ["localhost:9092", "events", "results", "recalc_group"]
broker, events, results_topic, group = sys.argv[1:] + defaults[len(sys.argv) - 1 :]

results = []
running = True


def stop(signum, frame):
    global running
    running = False


def calculate(number):
    return number**2


def process(message, producer):
    """Publishes the result of one event and remembers it; a bad event is printed and skipped."""
    try:
        event = json.loads(message.value().decode("utf-8"))
        number = event["number"]
        if not isinstance(number, (int, float)):
            raise ValueError(f"not a number: {number!r}")
        result = {"number": number, "result": calculate(number)}
    except Exception as error:
        print(f"skipping bad event {message.value()!r}: {error}", flush=True)
        return
    results.append(result)
    producer.produce(results_topic, value=json.dumps(result))
    producer.flush()


def back_calculate():
    """Recalculates every result in memory and corrects those that are wrong."""
    for result in results:
        expected = calculate(result["number"])
        if result["result"] != expected:
            print(f"correcting {result}", flush=True)
            result["result"] = expected


def main():
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": group,
            "auto.offset.reset": "earliest",
        }
    )
    producer = Producer({"bootstrap.servers": broker})
    consumer.subscribe([events])
    try:
        while running:
            message = consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                if message.error().code() != KafkaError._PARTITION_EOF:
                    print(f"consumer error: {message.error()}", flush=True)
                continue
            process(message, producer)
    finally:
        back_calculate()
        consumer.close()
        print(f"{len(results)} results in memory are gone now", flush=True)


if __name__ == "__main__":
    main()
