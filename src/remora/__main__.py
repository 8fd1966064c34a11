"""``python -m remora``."""

import sys

from remora.cli.start import main

sys.exit(main())
