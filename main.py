"""Scores a model: its trainable parameters, then the probing losses in px².

    python main.py                     # model_weights.pth on the data there is
    python main.py --budget 100k --seeds 5 --data /path/to/DL24FA
    python main.py --model dead-reckoning

The names are those of the course's main.py, for others to import.
"""

import sys

from tiny_jepa.errors import leave_quietly, run_cli

if __name__ == "__main__":
    leave_quietly()

from tiny_jepa.commands.evaluate import evaluate_model, load_data, load_expert_data, load_model, main
from tiny_jepa.device import get_device

__all__ = ["evaluate_model", "get_device", "load_data", "load_expert_data", "load_model"]

if __name__ == "__main__":
    run_cli(lambda: main(sys.argv[1:]))
