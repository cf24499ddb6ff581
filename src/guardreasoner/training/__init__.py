"""Losses, batches and the loop: everything that needs PyTorch to learn. Imported by stages only when they run."""
