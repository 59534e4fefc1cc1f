"""Turning pictures into vectors: the table of known models, the backends, and the pipeline that feeds them.

A backend is a module with a class that satisfies `embedder.Embedder`. Nothing here knows the catalog, and
importing this package loads neither torch nor transformers.
"""
