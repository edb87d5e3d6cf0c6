"""PyTorch on the virtual device: device `supa`. `import supa.torch` is the door; nothing here is loaded before it.

Not here: kernels (`libs`), the device itself (`runtime`).
"""
