"""The ways to run a bundle that must come to the same: interpreted, and compiled over a state in arrays.

The compiled way counts the records that compiled code settled, so that a proof can say how much of it was about that.
Compiling takes seconds for each bundle, so most suites take the compiled way only under NUMBA_DISABLE_JIT=1, where the
same code runs as plain Python; tests.proof.test_compiled starts them so.
"""

import os
import sys
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from mmsb.processors.bundle import Bundle
from mmsb.processors.machine import Machine
from mmsb.processors.writer import Writer
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.fold import Fold
from mmsb.state.partition import PartitionState
from tests.model.machine import Outcome

if TYPE_CHECKING:
    from mmsb.processors.compiled import Compiled

CODES_MAX = 8
"""How many bundles' code stays loaded: a campaign goes through thousands."""


class Way:
    """Interpreted."""

    def state(self, genesis: Genesis) -> PartitionState:
        return PartitionState(genesis)

    def code(self, bundle: Bundle) -> "Compiled | None":
        """The compiled code, where there is any."""
        return None

    def fold(self, genesis: bytes) -> Fold:
        return Fold(genesis, make_state=self.state)

    def writer(self, bundle: Bundle, fold: Fold, nonce: bytes, durability: Durability = Durability.PROCESS) -> Writer:
        return Writer(bundle, fold, nonce, durability, self.code(bundle))

    def machine(self, bundle: Bundle, state: PartitionState, settled: int = -1) -> Machine:
        return Machine(bundle, state, settled, self.code(bundle))

    def settled(self) -> int | None:
        """How many records compiled code has settled so far, where there is any."""
        return None

    def takes(self, bundle: Bundle, value: bytes | None, out: Outcome) -> bool:
        """Whether a record with such a value and outcome has to go through compiled code."""
        return False


class FoldedWay(Way):
    """Interpreted, over a state in arrays into which compiled code folds blocks."""

    def state(self, genesis: Genesis) -> PartitionState:
        from mmsb.state.arrays import ArrayState

        return ArrayState(genesis)

    def fold(self, genesis: bytes) -> Fold:
        from mmsb.state.array_fold import ArrayFold

        return ArrayFold(genesis)


@dataclass
class CompiledWay(FoldedWay):
    """Compiled; `count` is of records that no interpreter has seen."""

    count: int = 0
    left_out: int = 0
    _codes: "dict[bytes, Compiled]" = field(default_factory=dict)

    def code(self, bundle: Bundle) -> "Compiled":
        if bundle.hash not in self._codes:
            self._codes[bundle.hash] = self._build(bundle)
            self._forget()
        return self._codes[bundle.hash]

    def _build(self, bundle: Bundle) -> "Compiled":
        from mmsb.streams.building import build

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of intents that stay interpreted
            code = build(bundle, lambda _: None)
        self.left_out += len(code.module.left_out)

        def lower(start: int, *rest: Any) -> tuple[int, int]:
            at, why = code.lower(start, *rest)
            self.count += int(at) - start
            return at, why

        return replace(code, lower=lower)

    def _forget(self) -> None:
        if len(self._codes) > CODES_MAX:
            oldest = next(iter(self._codes))
            sys.modules.pop(self._codes.pop(oldest).module.name, None)

    def settled(self) -> int:
        return self.count

    def takes(self, bundle: Bundle, value: bytes | None, out: Outcome) -> bool:
        """All but built-in intents, compensations, what could not be compiled, and JSON.

        Not all of that is flat: a floor for all records together says how much of it compiled code must take.
        """
        module = self.code(bundle).module
        left = out.intent_type in module.intents and out.intent_type not in module.queries
        compensated = out.row is not None and out.source is not None and out.source.kind == FOLLOW_UP
        return not left and not compensated and (value is None or value[:1] != b"{")


INTERPRETED = Way()
FOLDED = FoldedWay()


def plain() -> bool:
    """Whether kernels run as plain Python here."""
    return os.environ.get("NUMBA_DISABLE_JIT") == "1"


def ways() -> list[Any]:
    """The parameters of a test that takes both ways, where the second is cheap."""
    return [pytest.param(INTERPRETED, id="interpreted"), pytest.param(CompiledWay(), id="compiled")][: 1 + plain()]


def limit(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    """Change a limit of blocks, for both ways: kernels have names of their own for it."""
    from mmsb.schemas.tlog import blocks

    monkeypatch.setattr(blocks, name, value)
    if plain():
        from mmsb.kernels.stepping import block_builder

        monkeypatch.setattr(block_builder, name, value)
