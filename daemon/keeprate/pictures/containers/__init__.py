"""One module a container format: which of its bytes are the picture and which are talk about it.

Parsers here read untrusted bytes. They only ever ask a `ByteSource` for bounded pieces, loop over bounded
counts, never recurse without a depth, and raise `MalformedError` for whatever does not add up.
"""
