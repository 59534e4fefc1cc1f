"""Read by every Python that a test starts: workers keep the usual priority.

At the low one that they give themselves they get next to no time beside other tests, and a daemon that does its work in
two seconds needs minutes. That they do give way is `test_worker.py`'s to show.
"""

from __future__ import annotations

import os

os.nice = lambda increment, /: 0
