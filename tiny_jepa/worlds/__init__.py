"""Worlds, each a folder. `contract.py` says all that the other rooms may know of one."""

from tiny_jepa.worlds.two_rooms import TWO_ROOMS

DEFAULT = TWO_ROOMS
"""The world of the budgets, and of every program that is told no other."""
