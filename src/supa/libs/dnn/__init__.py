"""Layers of neural networks: softmax, norms, lookups, dropout, windows of convolutions. Not here: products (`blas`)."""
