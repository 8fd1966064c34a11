"""``python -m remora``."""

import sys

from remora.cli.main import main

sys.exit(main())
