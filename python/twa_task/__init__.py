"""The PyTorch side of Trainable Weight Averaging.

The averaging itself is TypeScript: it sends n coefficients, this package answers with a loss and n numbers. It runs in the
user's interpreter and needs the standard library and torch only (Python >= 3.9, torch >= 1.13).
"""
