"""The photo manager `order`: brings the order of the scores to viewers that know nothing of scores.

Ways, each on its own: a *view folder* of numbered links, a *playlist*, a *contact sheet*, a *Geeqie collection*, and,
only when asked for, the modification times of the photos. No photo is ever moved, renamed or deleted here; only the
last way touches photos at all, and only their time; only contact sheets read them.
"""

from __future__ import annotations

from keeprate_order.manager import OrderManager
from keeprate_order.settings import OrderSettings, View

__all__ = ["OrderManager", "OrderSettings", "View"]
