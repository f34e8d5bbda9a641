"""What the processor and the kernel counted while something ran: misses, instructions, interruptions.

Hardware counters need a Linux that allows them, and a machine that has them; many virtual ones have none. Then the
result says so and why. How often the process was interrupted is always known.
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Callable
from typing import Final

_SYSCALLS: Final = {"x86_64": 298, "aarch64": 241}  # perf_event_open
_EVENTS: Final = {"cycles": 0, "instructions": 1, "cache references": 2, "cache misses": 3, "branch misses": 5}
_ATTRIBUTE_BYTES: Final = 112
_USER_CODE_ONLY: Final = 0b110_0000  # leave out the kernel and the hypervisor


def counted(run: Callable[[], object]) -> tuple[dict[str, float], str]:
    """What was counted while this ran, and why the rest was not."""
    missing, descriptors = "", dict[str, int]()
    for name, event in _EVENTS.items():
        try:
            descriptors[name] = _open(event)
        except OSError as error:
            missing = f"hardware counters are unavailable here: {error.strerror}"
    before = {name: _read(descriptor) for name, descriptor in descriptors.items()}
    interrupted = resource.getrusage(resource.RUSAGE_SELF)
    run()
    now = resource.getrusage(resource.RUSAGE_SELF)
    found = {name: float(_read(descriptor) - before[name]) for name, descriptor in descriptors.items()}
    found["interrupted by others"] = now.ru_nivcsw - interrupted.ru_nivcsw
    found["waited for others"] = now.ru_nvcsw - interrupted.ru_nvcsw
    found["page faults"] = now.ru_minflt - interrupted.ru_minflt
    for descriptor in descriptors.values():
        os.close(descriptor)
    return found, missing


def _open(event: int) -> int:
    """A counter of this thread's user code on any CPU."""
    number = _SYSCALLS.get(platform.machine())
    if number is None or platform.system() != "Linux":
        raise OSError(0, "only Linux on x86-64 and ARM64 is asked")
    attribute = struct.pack("<IIQQQQQ", 0, _ATTRIBUTE_BYTES, event, 0, 0, 0, _USER_CODE_ONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.syscall(number, attribute.ljust(_ATTRIBUTE_BYTES, b"\0"), 0, -1, -1, 0))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


def _read(descriptor: int) -> int:
    return int.from_bytes(os.read(descriptor, 8), "little")
