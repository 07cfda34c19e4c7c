"""Trains a model to a parameter budget: python train.py --budget 2k"""

import sys

from tiny_jepa.errors import run_cli


def main() -> int:
    from tiny_jepa.training.cli import main  # late: Ctrl-C while torch is imported gets its word, too

    return main(sys.argv[1:])


if __name__ == "__main__":
    run_cli(main)
