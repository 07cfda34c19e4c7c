"""Planning with a world model: reach what a goal frame shows, in representation space alone."""

from tiny_jepa.planning.costtogo import CostToGo, CostToGoAgent
