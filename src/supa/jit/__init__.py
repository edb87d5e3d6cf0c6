"""Compile on launch: specialise, cache, tune; the Triton plug-in."""
