"""MMSB, the Memory-Mapped State Bus: an event-sourced, async stream processor.

First what users declare with, then the core that runs it without IO, then errors. What is not here is not public.
"""

from typing import TYPE_CHECKING, Any

from mmsb.app import App
from mmsb.processors.bundle import Bundle
from mmsb.processors.doors import Mutate, Query, Upsert
from mmsb.processors.machine import Machine, Outcome
from mmsb.processors.plans import Plan
from mmsb.processors.projection import events_of
from mmsb.processors.requests import pack, pack_json
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.batches import decode_batch, decode_batches, encode_batch
from mmsb.schemas.classes import Intent, Page, Ref, epoch_of
from mmsb.schemas.delta_validation import DeltaVerdict, validate_delta
from mmsb.schemas.deltas import Delta, DeltaKind, DeltaStatus, unpack_delta
from mmsb.schemas.errors import (
    CallerError,
    Conflict,
    CorruptState,
    EnvironmentFailed,
    FolderInUse,
    GenerationConflict,
    InvalidDefinition,
    InvalidDelta,
    InvalidValue,
    MalformedBytes,
    MmsbError,
    NewerFormat,
    OutcomeUnknown,
    Overloaded,
    PageNotFound,
    ReadOnly,
    Superseded,
)
from mmsb.schemas.events import Event
from mmsb.schemas.markers import array, blob, f64, field, i8, i16, i32, i64, text, time, u8, u16, u32, u64
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.records import Record, Records
from mmsb.schemas.rejections import Code, Rejection
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.schemas.verbs import delete, emit, exists, now, reject, sqrt
from mmsb.state.fold import Discarded, Fold, Verdict
from mmsb.state.partition import PartitionState

if TYPE_CHECKING:
    from mmsb.processors.compiled import Compiled
    from mmsb.processors.intake import read_batches
    from mmsb.processors.receipts import Receipts
    from mmsb.state.array_fold import ArrayFold
    from mmsb.state.arrays import ArrayState
    from mmsb.streams.building import build, build_folding
    from mmsb.streams.bus import Bus
    from mmsb.streams.tickets import Receipt

__version__ = "0.1.0"

__all__ = [
    "App",
    "ArrayFold",
    "ArrayState",
    "Bundle",
    "Bus",
    "CallerError",
    "Code",
    "Compiled",
    "Conflict",
    "CorruptState",
    "Delta",
    "DeltaKind",
    "DeltaStatus",
    "DeltaVerdict",
    "Discarded",
    "Durability",
    "Entry",
    "EnvironmentFailed",
    "Event",
    "Fold",
    "FolderInUse",
    "GenerationConflict",
    "Genesis",
    "Intent",
    "InvalidDefinition",
    "InvalidDelta",
    "InvalidValue",
    "Machine",
    "MalformedBytes",
    "Metadata",
    "Migration",
    "MmsbError",
    "Mutate",
    "NewerFormat",
    "Outcome",
    "OutcomeUnknown",
    "Overloaded",
    "Page",
    "PageNotFound",
    "PartitionState",
    "Plan",
    "Query",
    "ReadOnly",
    "Receipt",
    "Receipts",
    "Record",
    "Records",
    "Ref",
    "Rejection",
    "Status",
    "Step",
    "Superseded",
    "Upsert",
    "Verdict",
    "Writer",
    "array",
    "blob",
    "build",
    "build_folding",
    "decode_batch",
    "decode_batches",
    "delete",
    "emit",
    "encode_batch",
    "epoch_of",
    "events_of",
    "exists",
    "f64",
    "field",
    "i8",
    "i16",
    "i32",
    "i64",
    "now",
    "pack",
    "pack_json",
    "read_batches",
    "reject",
    "sqrt",
    "text",
    "time",
    "u8",
    "u16",
    "u32",
    "u64",
    "unpack_delta",
    "validate_delta",
]

_HEAVY = {
    "ArrayFold": "mmsb.state.array_fold",
    "ArrayState": "mmsb.state.arrays",
    "Compiled": "mmsb.processors.compiled",
    "Bus": "mmsb.streams.bus",
    "Receipt": "mmsb.streams.tickets",
    "Receipts": "mmsb.processors.receipts",
    "build": "mmsb.streams.building",
    "build_folding": "mmsb.streams.building",
    "read_batches": "mmsb.processors.intake",
}
"""What loads NumPy and Numba: a service that only publishes intents never does."""


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module 'mmsb' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HEAVY[name]), name)
