"""The public face of the probing protocol, by the names that the course's code gives it."""

from tiny_jepa.probing import Prober, ProbingConfig, ProbingEvaluator

__all__ = ["Prober", "ProbingConfig", "ProbingEvaluator"]
