"""Trains a model to a parameter budget: python train.py --budget 2k"""

from tiny_jepa.errors import run_command

if __name__ == "__main__":
    run_command("train")
