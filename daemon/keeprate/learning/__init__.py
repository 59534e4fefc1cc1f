"""Learning: from the photos that a person sorted to a head that scores the rest.

Two sides that must stay apart. The *scoring* side (`heads`, `inputs`, `calibration`, `metrics`) is numpy and
safetensors only: the daemon imports it. The *training* side (`fitting`, `logistic`, `groups`, `splits`,
`gate`) runs in the worker. Nothing here reads the catalog or a
picture: arrays come in, a head goes out.
"""
