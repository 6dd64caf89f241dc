"""One reader of numpy's files at a time.

Their headers are parsed as Python, and CPython 3.11 counts the depth of that parsing for all
threads together: two at once now and then end in a SystemError.
"""

from __future__ import annotations

import threading

parsing = threading.Lock()
"""Hold it around `np.load` and whatever calls it."""
