"""No test of this area asks the network: the hub's client reads this when it is imported, before any fixture runs."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
