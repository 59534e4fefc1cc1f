"""The train step, in the worker: labels and cached vectors in, a head version out, if it is better."""

from __future__ import annotations
