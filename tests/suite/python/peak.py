"""Runs a command and says on standard error how much memory it needed at most.

usage: peak.py COMMAND ARGUMENT...
"""

import resource
import subprocess
import sys

code = subprocess.run(sys.argv[1:]).returncode
print("peak bytes:", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(code)
