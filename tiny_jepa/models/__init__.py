"""The agent's encoder, the map, the predictor and the JEPA that joins them. They know neither data nor world."""

from tiny_jepa.models.jepa import JEPA, count_parameters
from tiny_jepa.settings import Architecture
