"""What this process takes of the machine, under the names that all of Prometheus' client libraries give it."""

import gc
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Final

from mmsb.streams.stats import resident_bytes
from mmsb.streams.watching.exposition import Exposition, Metric

PROCESS_METRICS: Final = (
    Metric("process_resident_memory_bytes", "gauge", (), "memory that the process holds"),
    Metric("process_cpu_seconds_total", "counter", (), "processor time of the process, user and system"),
    Metric("process_start_time_seconds", "gauge", (), "when the process began, in seconds since 1970"),
    Metric("process_open_fds", "gauge", (), "open files and connections"),
    Metric("process_max_fds", "gauge", (), "how many may be open"),
    Metric("process_threads", "gauge", (), "threads that Python knows"),
    Metric("python_gc_collections_total", "counter", ("generation",), "runs of Python's garbage collector"),
    Metric("python_gc_objects_collected_total", "counter", ("generation",), "objects that it freed"),
    Metric("python_info", "gauge", ("implementation", "version"), "1, with what runs the process"),
)

_STARTED_FIELD: Final = 19  # of those behind the command's name in /proc/self/stat: ticks since the machine began


def add_process(to: Exposition) -> None:
    used, (files_max, _) = resource.getrusage(resource.RUSAGE_SELF), resource.getrlimit(resource.RLIMIT_NOFILE)
    to.add("process_resident_memory_bytes", resident_bytes())
    to.add("process_cpu_seconds_total", used.ru_utime + used.ru_stime)
    to.add("process_start_time_seconds", _started())
    to.add("process_open_fds", len(os.listdir("/proc/self/fd")))
    to.add("process_max_fds", files_max)
    to.add("process_threads", threading.active_count())
    for generation, counts in enumerate(gc.get_stats()):
        to.add("python_gc_collections_total", counts["collections"], str(generation))
        to.add("python_gc_objects_collected_total", counts["collected"], str(generation))
    version = ".".join(map(str, sys.version_info[:3]))
    to.add("python_info", 1, sys.implementation.name, version)


def _started() -> float:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_STARTED_FIELD])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
