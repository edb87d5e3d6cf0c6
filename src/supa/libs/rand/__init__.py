"""Random numbers. Not here: the generator's state (`frameworks`)."""
