"""The probing protocol, what is probed, and what is stored of it."""

from tiny_jepa.probing.protocol import Prober, ProbingConfig, ProbingEvaluator
