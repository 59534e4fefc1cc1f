"""The daemon: when what is done, by itself or because somebody asked, and what there is to be told about it.

What is done are the steps of `keeprate.steps`; HTTP comes from `keeprate.api`, which is a layer above.
"""
