"""All commands, in the order of their help."""

from mmsb.cli.serve import RUN

COMMANDS = (RUN,)
