"""`python -m mmsb` is the command `mmsb`."""

import sys

from mmsb.cli.main import main

sys.exit(main())
