"""All commands, in the order of their help."""

from mmsb.cli.checkpoints import CHECKPOINT
from mmsb.cli.completion import COMPLETION
from mmsb.cli.differing import DIFF
from mmsb.cli.figures import STATS
from mmsb.cli.inspecting import INSPECT
from mmsb.cli.logs import LOG
from mmsb.cli.migrating import MIGRATE
from mmsb.cli.pages import BLAME, GET, HISTORY
from mmsb.cli.processing import PROCESS
from mmsb.cli.rehearsing import REHEARSE
from mmsb.cli.replaying import REPLAY, VERIFY
from mmsb.cli.scanning import SCAN
from mmsb.cli.serve import RUN
from mmsb.cli.submit import SUBMIT
from mmsb.cli.why import WHY

COMMANDS = (
    RUN, SUBMIT, PROCESS, GET, SCAN, HISTORY, BLAME, LOG, WHY, STATS, REPLAY, VERIFY, DIFF, REHEARSE, MIGRATE,
    CHECKPOINT, INSPECT, COMPLETION,
)  # fmt: skip
