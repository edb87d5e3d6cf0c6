"""Frameworks on the virtual device: torch. Not here: the device, the kernels' compiler."""
