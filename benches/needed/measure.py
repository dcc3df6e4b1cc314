"""Runs a command in a folder on so many cores, without its output, and says what it needed.

usage: measure.py FOLDER CORES COMMAND ARGUMENT...

Prints one JSON object: seconds, CPU seconds, and the most bytes of memory.
"""

import json
import os
import subprocess
import sys
import time

folder, cores = sys.argv[1], int(sys.argv[2])
allowed = sorted(os.sched_getaffinity(0))[:cores]
os.environ["SNAPBACK_STATUS"] = "off"
began = time.monotonic()
command = subprocess.Popen(
    sys.argv[3:],
    cwd=folder,
    stdout=subprocess.DEVNULL,
    preexec_fn=lambda: os.sched_setaffinity(0, allowed),
)
_, status, used = os.wait4(command.pid, 0)
seconds = time.monotonic() - began
if status != 0:
    sys.exit(f"{sys.argv[3:]} ended with {os.waitstatus_to_exitcode(status)}")
print(json.dumps({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}))
