"""From a stream of token ids to word vectors that a language model can start from.

Positive pointwise mutual information of tokens that stand near each other, reduced to the model's width by a singular
value decomposition (Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization"). It takes
seconds, and saves a small model the millions of tokens it would need to learn which words are alike.
"""

# torch types these functions only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW = 5  # tokens to each side; a neighbour at distance d counts 1/d, as in GloVe
SMOOTHING = 0.75  # of context counts, as in word2vec: rare contexts say less than they seem to


def word_vectors(stream: NDArray[np.int32], vocab_size: int, width: int, std: float, seed: int) -> Tensor:
    """[vocab_size, width] in float32, each row with mean square `std`**2; tokens that never occur are random.

    `stream`: token ids, one text after another.
    """
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn((vocab_size, width), generator=generator)
    rows, columns, counts = _neighbours(stream.astype(np.int64), vocab_size)
    if len(counts) > 0:
        torch.manual_seed(seed)  # svd_lowrank draws its start from the global generator
        found = _reduced(rows, columns, counts, vocab_size, min(width, vocab_size))
        centred = found - found.mean(dim=0)
        known = torch.zeros(vocab_size, dtype=torch.bool)
        known[torch.from_numpy(np.unique(rows))] = True
        vectors[known, : found.shape[1]] = centred[known]
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-6) * (std * math.sqrt(width))


def _neighbours(
    stream: NDArray[np.int64], vocab_size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """(token, neighbour, weighted count) of every pair that occurs, both ways round."""
    keys, counts = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        pairs, times = np.unique(stream[:-distance] * vocab_size + stream[distance:], return_counts=True)
        joined, place = np.unique(np.concatenate([keys, pairs]), return_inverse=True)
        weights: NDArray[np.float64] = np.concatenate([counts, times / distance])
        counts = np.bincount(place, weights=weights, minlength=len(joined)).astype(np.float64)
        keys = joined
    first, second = keys // vocab_size, keys % vocab_size
    return np.concatenate([first, second]), np.concatenate([second, first]), np.concatenate([counts, counts])


def _reduced(
    rows: NDArray[np.int64], columns: NDArray[np.int64], counts: NDArray[np.float64], vocab_size: int, width: int
) -> Tensor:
    """The left singular vectors of the PPMI matrix, each times the root of its value."""
    of_row = np.bincount(rows, weights=counts, minlength=vocab_size)
    of_column = of_row**SMOOTHING  # the counts are symmetric
    information = np.log(counts * of_column.sum() / (of_row[rows] * of_column[columns]))
    positive = information > 0
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([rows[positive], columns[positive]])),
        torch.from_numpy(information[positive].astype(np.float32)),
        (vocab_size, vocab_size),
        check_invariants=False,
    ).coalesce()
    left, values, _ = torch.svd_lowrank(matrix, q=width, niter=3)
    return left * values.sqrt()
