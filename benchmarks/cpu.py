"""The CPU time of a process, whoever reads it."""

import time


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, all its threads, seconds to the nanosecond.

    Read from its CPU-time clock, whose id Linux makes of the process's in this way (clock_getcpuclockid(3)).
    /proc/PID/stat counts ticks of 10 ms, too coarse for what some dozens of turns cost.
    """
    return time.clock_gettime((~pid << 3) | 2)
