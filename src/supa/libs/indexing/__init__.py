"""Reading and writing by index, scans, orders along lines. Not here: reductions (`elementwise`)."""
