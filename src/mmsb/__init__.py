"""MMSB, the Memory-Mapped State Bus: an event-sourced, async stream processor.

Declare pages and intents on an `App`; see README.md. What is not imported here is not public.
"""

from mmsb.app import App
from mmsb.schemas.classes import Intent, Page, Ref, epoch_of
from mmsb.schemas.errors import (
    CallerError,
    CorruptState,
    InternalError,
    InvalidDefinition,
    InvalidDelta,
    InvalidValue,
    MalformedBytes,
    MmsbError,
    NewerFormat,
    PageNotFound,
    ReadOnly,
    Superseded,
)
from mmsb.schemas.markers import array, blob, f64, field, i8, i16, i32, i64, text, time, u8, u16, u32, u64
from mmsb.schemas.verbs import delete, emit, exists, now, reject, sqrt

__version__ = "0.1.0"

__all__ = [
    "App",
    "CallerError",
    "CorruptState",
    "Intent",
    "InternalError",
    "InvalidDefinition",
    "InvalidDelta",
    "InvalidValue",
    "MalformedBytes",
    "MmsbError",
    "NewerFormat",
    "Page",
    "PageNotFound",
    "ReadOnly",
    "Ref",
    "Superseded",
    "array",
    "blob",
    "delete",
    "emit",
    "epoch_of",
    "exists",
    "f64",
    "field",
    "i8",
    "i16",
    "i32",
    "i64",
    "now",
    "reject",
    "sqrt",
    "text",
    "time",
    "u8",
    "u16",
    "u32",
    "u64",
]
