"""All commands, in the order of their help."""

from mmsb.cli.logs import LOG
from mmsb.cli.pages import BLAME, GET, HISTORY
from mmsb.cli.serve import RUN
from mmsb.cli.submit import SUBMIT

COMMANDS = (RUN, SUBMIT, GET, HISTORY, BLAME, LOG)
