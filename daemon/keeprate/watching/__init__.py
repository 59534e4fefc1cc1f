"""Noticing what happens in photo folders: walking them, comparing, and being told of changes.

Nothing here opens a picture, writes a file or knows the catalog. Events are hints; the walk is the truth.
Paths are `str` as the operating system gives them (names that are no UTF-8 carry surrogate escapes), because
a walk meets a hundred thousand of them; only single places, such as a library's root, are `Path`.
"""
