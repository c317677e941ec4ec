"""What a fine-tuning on a GPU costs, by arithmetic: floating point operations, and the time they take at a share of the ceiling."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# IMDB's training reviews cut to 512 WordPiece tokens, special tokens included: mean, and mean of the square.
IMDB_REVIEWS, IMDB_MEAN_TOKENS, IMDB_MEAN_SQUARE = 25_000, 275.3, 95_208.0


@dataclass(frozen=True)
class Cost:
    """Floating point operations of one pass forward and back.

    Attributes
    ----------
    linear : float
        Of the encoder's linear layers: 6 a weight and token (Kaplan et al. 2020, section 2.1).
    attention : float
        Of the two products of attention: 12 × layers × hidden size × length², for each text.
    """

    linear: float
    attention: float

    @property
    def total(self) -> float:
        """Both."""
        return self.linear + self.attention

    def seconds(self, ceiling: float, share: float) -> float:
        """Return the time at a share (0 to 1) of a ceiling in operations a second."""
        return self.total / (ceiling * share)


def linear_weights(config: Mapping[str, int]) -> int:
    """Return the weights of an encoder's linear layers: four of attention and two of the feed-forward block, a layer."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    return config["num_hidden_layers"] * (4 * hidden * hidden + 2 * hidden * inner)


def cost(config: Mapping[str, int], lengths: npt.NDArray[np.int64]) -> Cost:
    """Return what one pass over texts of these lengths costs, without padding."""
    return cost_of(config, float(lengths.sum()), float(np.square(lengths.astype(np.float64)).sum()))


def cost_of(config: Mapping[str, int], tokens: float, squares: float) -> Cost:
    """Return the cost from the sum of lengths and the sum of their squares."""
    return Cost(6.0 * linear_weights(config) * tokens, 12.0 * config["num_hidden_layers"] * config["hidden_size"] * squares)


def imdb_epoch(config: Mapping[str, int]) -> Cost:
    """Return the cost of an epoch of IMDB at 512 tokens."""
    return cost_of(config, IMDB_REVIEWS * IMDB_MEAN_TOKENS, IMDB_REVIEWS * IMDB_MEAN_SQUARE)
