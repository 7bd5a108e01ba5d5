"""How runs train. `reference` is one run in plain PyTorch: the oracle for anything faster."""
