"""Trains a model to a parameter budget: python train.py --budget 2k"""

import sys

from tiny_jepa.errors import leave_quietly, run_cli

if __name__ == "__main__":
    leave_quietly()

from tiny_jepa.commands.train import main

if __name__ == "__main__":
    run_cli(lambda: main(sys.argv[1:]))
