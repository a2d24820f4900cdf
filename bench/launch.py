"""Starts one program, waits for it, prints what it cost as a line of JSON. run_pass.py and many_sessions.py measure with it.

    python3 -I -S launch.py STDOUT-FILE STDERR-FILE COMMAND [ARGUMENT...]

A process of its own, and one that imports nothing, because Linux counts the starter's memory into the started one's peak: whoever
measures from a large Python program measures that program. What it adds is the 9 MB or so that peak_mb can therefore not go below.
"""
import os
import sys
import time


def main():
    out, err, *command = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
               (os.POSIX_SPAWN_OPEN, 1, out, flags, 0o600), (os.POSIX_SPAWN_OPEN, 2, err, flags, 0o600)]
    start = time.monotonic_ns()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)  # the usage of the child and of every process it waited for; the peak is the largest one's
    wall = time.monotonic_ns() - start
    print('{"exit": %d, "wall_ms": %.3f, "cpu_ms": %.3f, "peak_mb": %.3f}' % (
        os.waitstatus_to_exitcode(status), wall / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024))


main()
