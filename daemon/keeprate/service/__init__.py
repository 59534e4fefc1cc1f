"""What keeprate does, step by step, and the daemon that does it on its own.

Each step (`scanning`, `embedding`, `training`, `scoring`, `marking`) is a function of a `Session`; `syncing` runs
them in order, `daemon` runs them when there is work. Steps that need torch, scikit-learn or exiv2 run in the
worker process (`worker`, `worker_client`), so that memory returns and a crash costs one batch.
"""
