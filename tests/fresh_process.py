"""``python -m tests.fresh_process MODULE …``: runs a module in an interpreter that starts anew."""

import os
import sys

os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
