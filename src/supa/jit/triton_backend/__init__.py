"""The Triton plug-in, found by the entry point `triton.backends`. `compiler` and `driver` are what Triton looks for."""
