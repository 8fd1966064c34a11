"""``python -m remora.hub``."""

import sys

from remora.hub.main import main

sys.exit(main(sys.argv[1:]))
