"""Steps of optimizers. Not here: their loops over parameters (torch's)."""
