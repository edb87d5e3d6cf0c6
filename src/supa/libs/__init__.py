"""Acceleration libraries of the device, as Triton kernels: elementwise, blas, dnn. Not here: tensors (`frameworks`)."""
