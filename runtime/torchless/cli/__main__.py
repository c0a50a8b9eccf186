"""`python -m torchless.cli`, as `python -m torchless`."""

import sys

from . import main

sys.exit(main())
