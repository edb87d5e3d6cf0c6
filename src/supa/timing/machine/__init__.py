"""The machine that moves: compiled steps over plain arrays, discrete events, integer picoseconds.

Import it only when something is to be priced: it loads Numba. Not here: what the numbers mean (`arch`), how a chip's
figures become costs (`timing.costs`), what the counts mean (`timing.prediction`).
"""
