"""Runs a command and prints what it took: python spawn.py COMMAND..., in a small process of its
own, as a child's peak memory is at first that of whoever started it.

The last line is JSON: seconds, seconds of processor, the moment of the end, peak memory in MB of
its largest process, exit status."""

import json
import os
import subprocess
import sys
import time

begin = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
end = time.monotonic()
process.returncode = os.waitstatus_to_exitcode(status)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([end - begin, cpu, end, used.ru_maxrss / 1024, process.returncode]))
