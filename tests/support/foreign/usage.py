"""Runs a command with its output to OUTPUT. Prints its exit code, its largest memory in kB, its time on the CPU and its time in seconds."""

import resource
import subprocess
import sys
import time

output, *command = sys.argv[1:]
begun = time.monotonic()
with open(output, "wb") as sink:
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink).returncode
elapsed = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_maxrss, used.ru_utime + used.ru_stime, elapsed)
