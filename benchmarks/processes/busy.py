"""Keeps a server busy until it is ended: graphs asked and readings pushed, at a steady pace.

`python -m benchmarks.processes.busy PORT READINGS_PER_S GRAPHS_PER_S`
"""

import http.client
import json
import sys
import threading
import time

BODIES_PER_S = 10
STREAMS = 10


def every(period_s, ask):
    """Ask again and again, not faster than that."""
    due = time.monotonic()
    while True:
        ask()
        due = max(due + period_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))  # noqa: TID251 - the pace of the load


def pushing(port, readings_per_s):
    """Push readings, ten times a second, each with a time of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    count = readings_per_s // BODIES_PER_S

    def push():
        now = time.time()
        readings = [
            {"stream": f"pushed/ch{n % STREAMS}", "time": now - 1e-5 * (count - n), "value": n / 7}
            for n in range(count)
        ]
        connection.request(
            "POST", "/api/v1/append", json.dumps(readings), {"Content-Type": "application/json"}
        )
        answered(connection)

    return push


def asking(port):
    """Ask for all that there is of what was pushed, for 1,000 pixels."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask():
        connection.request("GET", "/api/v1/data?stream=pushed/ch1&start=-1h&end=now&points=1000")
        answered(connection)

    return ask


def answered(connection):
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status in (200, 404), body


def main():
    port, readings_per_s, graphs_per_s = (int(word) for word in sys.argv[1:])
    jobs = [(1 / BODIES_PER_S, pushing(port, readings_per_s)), (1 / graphs_per_s, asking(port))]
    for job in jobs:
        threading.Thread(target=every, args=job).start()


if __name__ == "__main__":
    main()
