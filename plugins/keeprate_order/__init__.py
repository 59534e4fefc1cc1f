"""The photo manager `order`: brings the order of the scores to viewers that know nothing of scores.

Three ways, each on its own: a *view folder* of numbered links, a *Geeqie collection*, and, only when asked
for, the modification times of the photos. No photo is ever read, moved, renamed or deleted here; only the
last way touches photos at all, and only their time.
"""

from __future__ import annotations

from keeprate_order.manager import OrderManager, OrderSettings

__all__ = ["OrderManager", "OrderSettings"]
