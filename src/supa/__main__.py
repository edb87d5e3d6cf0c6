"""`python -m supa`: the command `supa`, where its script is not on the path. Not here: the command (`tools.cli`)."""

import sys

from supa.tools.cli import main

sys.exit(main(sys.argv[1:]))
