"""The regression gate compares ratios, not times: each stage's time over that of a reference, measured in turns with
it, and the median of these over the repeats. What slows the whole machine slows both. The baseline stores the ratios
and how far they lay apart over several runs; a ratio above its limit is measured again before anybody hears of it.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.clocks import seconds_of
from bench.gated import Gated, gated
from bench.harness import progress
from bench.machine import ROOT, commit, machine
from bench.stages import Stopwatch

BASELINE: Final = Path(__file__).parent / "results" / "baseline.json"
REPEATS: Final = 15
RUNS: Final = 6  # processes whose ratios make a baseline

SLACK_MIN: Final = 0.15  # as far from nothing as from 30 %
SLACK_MAX: Final = 0.22  # 30 % slower must be seen, whatever the noise
ATTEMPTS: Final = 3  # before anybody hears that something got slower
NOISES: Final = 2.0  # a limit is this many times the noise above the ratio

WHOLE: Final = "the whole way"

Ratios = dict[str, float]


@dataclass(frozen=True)
class Known:
    """A ratio of the baseline, and by what part of it the runs lay apart."""

    ratio: float
    noise: float

    def limit(self, *, same_machine: bool) -> float:
        slack = min(max(SLACK_MIN, NOISES * self.noise), SLACK_MAX) if same_machine else SLACK_MAX
        return self.ratio * (1 + slack)

    @property
    def quiet(self) -> bool:
        """Whether the noise leaves room to see a slow-down of 30 %."""
        return NOISES * self.noise <= SLACK_MAX


def measure_ratios(watched: Sequence[Gated], repeats: int = REPEATS) -> Ratios:
    """The median ratio of every stage, and of each whole way; the ways take turns."""
    found: dict[str, list[float]] = {}
    for turn in range(1 + repeats):
        for case in watched:
            progress(f"{turn}/{repeats} {case.name}")
            for name, ratio in _once(case, watch=turn > 0).items():
                found.setdefault(name, []).append(ratio)
    progress("")
    return {name: statistics.median(ratios) for name, ratios in found.items()}


def _once(case: Gated, *, watch: bool) -> Ratios:
    """The reference before and after, the stages between; the first time only to warm up, as code compiles then."""
    prepared = case.prepare()
    before = seconds_of(_call, case.reference)
    with Stopwatch(case.stages if watch else ()) as stopwatch:
        total = seconds_of(case.run, prepared)
    reference = (before + seconds_of(_call, case.reference)) / 2
    happened = {stage: seconds for stage, seconds in stopwatch.seconds.items() if seconds}
    seconds = {WHOLE: total, **happened} if watch else {}
    return {f"{case.name}: {name}": took / reference for name, took in seconds.items()}


def _call(reference: Callable[[], object]) -> None:
    reference()


def slower(found: Mapping[str, float], known: Mapping[str, Known], *, same_machine: bool = True) -> list[str]:
    """What got slower than its limit, or is watched no more, each in a sentence that begins with its name."""
    gone = [f"{name} is in the baseline and was not measured" for name in known if name not in found]
    slow = [
        f"{name} got {ratio / known[name].ratio - 1:.0%} slower: {ratio:.4g} times its reference, "
        f"{known[name].ratio:.4g} in the baseline, {known[name].limit(same_machine=same_machine):.4g} at most"
        for name, ratio in found.items()
        if name in known and ratio > known[name].limit(same_machine=same_machine)
    ]
    return gone + slow


def check(watched: Sequence[Gated] | None = None, path: Path = BASELINE, repeats: int = REPEATS) -> int:
    """Measure and compare; exit status 1 if something got slower."""
    if not path.exists():
        print(f"gate: there is no {path.name}; measure one with `python -m bench gate --update`", file=sys.stderr)
        return 2
    about, known = load(path)
    same_machine = about["machine"] == _machine()
    if not same_machine:
        print(f"gate: the baseline is of another machine ({about['machine']}); every limit is {SLACK_MAX:.0%} here")
    cases = gated() if watched is None else watched
    found = measure_ratios(cases, repeats)
    for _ in range(ATTEMPTS - 1):
        if not slower(found, known, same_machine=same_machine):
            break
        print("gate: something seems slower; measuring once more", flush=True)
        again = measure_ratios(cases, repeats)
        found = {name: min(ratio, again[name]) for name, ratio in found.items()}
    problems = slower(found, known, same_machine=same_machine)
    for text in problems:
        print(f"gate: {text}")
    new = [name for name in found if name not in known]
    if new:
        print(f"gate: not in the baseline yet: {', '.join(new)}")
    print(f"gate: {len(found)} ratios, {len(problems)} problems; baseline of commit {about['commit']}")
    return int(bool(problems))


def update(path: Path = BASELINE) -> int:
    """Measure the baseline in processes of their own, as memory lies elsewhere in each."""
    runs: list[Ratios] = []
    for run in range(RUNS):
        print(f"gate: run {run + 1} of {RUNS}", flush=True)
        done = subprocess.run((sys.executable, "-m", "bench.gate"), stdout=subprocess.PIPE, check=True, cwd=ROOT)
        runs.append(json.loads(done.stdout))
    known = baseline(runs)
    for name, found in known.items():
        print(f"  {name:<52} {found.ratio:>10.4g} ± {found.noise / 2:.1%}")
    loud = [name for name, found in known.items() if not found.quiet]
    if loud:
        print(f"gate: too noisy to see 30 % in, so left out: {', '.join(loud)}")
    save(path, {name: found for name, found in known.items() if found.quiet})
    return 0


def baseline(runs: Sequence[Ratios]) -> dict[str, Known]:
    """The median over runs, and the part of it by which they lie apart."""
    known: dict[str, Known] = {}
    for name in runs[0]:
        ratios = [run[name] for run in runs]
        median = statistics.median(ratios)
        known[name] = Known(float(f"{median:.5g}"), round((max(ratios) - min(ratios)) / median, 4))
    return known


def save(path: Path, known: Mapping[str, Known]) -> None:
    revision, dirty = commit()
    about = {"machine": _machine(), "commit": revision, "dirty": dirty, "runs": RUNS, "repeats": REPEATS}
    content = {**about, "ratios": {name: asdict(found) for name, found in known.items()}}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load(path: Path) -> tuple[dict[str, Any], dict[str, Known]]:
    content = json.loads(path.read_text("utf-8"))
    return content, {name: Known(**found) for name, found in content.pop("ratios").items()}


def _machine() -> str:
    """What makes ratios comparable: another processor or Python has others."""
    about = machine()
    return ", ".join([about["CPU"], f"Python {about['Python']}", f"NumPy {about['NumPy']}", f"Numba {about['Numba']}"])


if __name__ == "__main__":
    print(json.dumps(measure_ratios(gated())))
