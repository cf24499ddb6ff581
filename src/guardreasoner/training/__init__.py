"""Losses, batches and the loop: everything that needs PyTorch to learn. Imported by stages only when they run."""

import logging

# Imported by transformers, it warns of a kernel for inference in four bits that it lacks: nothing here runs that.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
