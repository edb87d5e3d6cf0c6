"""Matrix products. Not here: tensors, convolutions (`dnn`)."""
