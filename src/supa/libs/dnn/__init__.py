"""Layers of neural networks: softmax, norms, embeddings, dropout, windows of convolutions. Not here: products (`blas`)."""
