"""On what was measured: the machine, the versions and the commit, as far as they can be read."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CPU = Path("/sys/devices/system/cpu/cpu0")
_WRITTEN_BY_BENCH = (":!bench/results", ":!docs/benchmarks.md")


def machine() -> dict[str, str]:
    """Everything that decides how fast this goes, besides the code."""
    return {
        "CPU": _line(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "caches": _caches() or "not readable",
        "RAM": _ram(),
        "kernel": f"{platform.system()} {platform.release()}",
        "governor": _text(_CPU / "cpufreq/scaling_governor") or "not readable",
        "huge pages": _text(Path("/sys/kernel/mm/transparent_hugepage/enabled")) or "not readable",
        "Python": platform.python_version(),
        **{name: version(name.lower()) for name in ("NumPy", "Numba")},
    }


def load_average() -> str:
    """How many processes wanted a core lately: whether a figure is that of a quiet machine."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} in one minute, {five:.1f} in five"


def commit() -> tuple[str, bool]:
    """The commit, and whether tracked files besides results differ from it."""
    found = _git("rev-parse", "--short=12", "HEAD").strip() or "unknown"
    return found, bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN_BY_BENCH))


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout if done.returncode == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _line(path: Path, name: str) -> str:
    """What follows the name in a file of `name : value` lines."""
    for line in _text(path).splitlines():
        before, _, after = line.partition(":")
        if before.strip() == name:
            return after.strip()
    return ""


def _caches() -> str:
    """Data caches of one core, smallest first."""
    found: list[str] = []
    for cache in sorted(_CPU.glob("cache/index*")):
        if _text(cache / "type") in ("Data", "Unified"):
            found.append(f"L{_text(cache / 'level')} {_text(cache / 'size')}")
    return ", ".join(found)


def _ram() -> str:
    kilobytes = _line(Path("/proc/meminfo"), "MemTotal").removesuffix("kB").strip()
    return f"{int(kilobytes) / 2**20:.1f} GiB" if kilobytes else "not readable"
