"""What keeprate does, one step at a time.

Each step is a function of a `Session`; `syncing` runs them in order, `keeprate.service` when there is work for them.
Steps that need torch, decoders or exiv2 run in the worker process (`worker`, `worker_client`), so that memory returns
and a crash costs one batch.
"""
