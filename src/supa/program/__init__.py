"""The contract between strangers: what a compiler writes, the timing plane prices and the runtime loads.

Neutral of front ends, of the tile IR and of chips. Holds data only.
"""
