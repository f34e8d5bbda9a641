"""A home of few pages that behaves like one of many: small buckets, and a budget as small as one likes."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Final
from unittest.mock import patch

from mmsb.state import buckets
from mmsb.streams import engine, flushing

BUCKET_BYTES: Final = 64


@contextmanager
def small_home(flush_seconds: float, log_bytes: int = flushing.FLUSH_LOG_BYTES) -> Generator[None]:
    """Within it, a page or two are a bucket, and a flush is due that often."""
    with ExitStack() as patches:
        patches.enter_context(patch.multiple(buckets, BUCKET_BYTES=BUCKET_BYTES, BUCKET_PAGES=1))
        patches.enter_context(patch.multiple(flushing, FLUSH_SECONDS=flush_seconds, FLUSH_LOG_BYTES=log_bytes))
        patches.enter_context(patch.object(engine, "MEMORY_MIN", 0))
        yield
