"""What the rows of a store are, all of them read: the facts of which a checkpoint's manifest is made."""

from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.limits import HOPS_MAX
from mmsb.state.home.digesting import digest_store
from mmsb.state.home.meta import Meta
from mmsb.state.store import Snapshot
from mmsb.streams.checkpoints.manifest import Facts
from mmsb.streams.folder import Progress


def read_facts(rows: Snapshot, tell: Progress = lambda _, __: None) -> Facts:
    """Raises CorruptState unless they are what their meta row says."""
    meta, pages = digest_store(rows, tell)
    contents, standing = meta.contents, meta.standing
    claim, genesis = standing.claim, contents.genesis
    if claim is None:
        raise CorruptState("store: expected a meta row with a claim, found none; use another checkpoint")
    return Facts(
        app=genesis.app,
        log_id=genesis.log_id,
        partition=genesis.partition,
        partition_count=genesis.partition_count,
        window=genesis.window,
        generation=claim.generation,
        bundle=claim.bundle,
        layouts=_layouts(meta),
        settled=standing.settled,
        block_first=standing.last_block[0] if standing.last_block else standing.settled + 1,
        accepted_at=standing.accepted_at,
        next=standing.next,
        relaying=len(standing.follow_up_blocks),
        head=standing.head,
        digest=contents.digest.pack(),
        pages=pages,
    )


def _layouts(meta: Meta) -> bytes:
    """Of the pages, which a migrate record may still have to convert to those of the claim."""
    return Descriptor(meta.contents.genesis.app, HOPS_MAX, meta.contents.layouts, (), ()).pack()
