"""Trains a model to a parameter budget: python train.py --budget 2k"""

import sys

from tiny_jepa.errors import run_cli
from tiny_jepa.training.cli import main

if __name__ == "__main__":
    run_cli(lambda: main(sys.argv[1:]))
