"""The tile IR: values that are scalars or tiles, in SSA with structured regions; its text form, verifier, oracle."""
