"""Scores a model: its trainable parameters, then the probing losses in px².

    python main.py                     # model_weights.pth on the data there is
    python main.py --budget 100k --seeds 5 --data /path/to/DL24FA
    python main.py --model dead-reckoning

Whoever imports this file finds the names of the course's main.py.
"""

from tiny_jepa.errors import run_command

if __name__ == "__main__":
    run_command("evaluate")
else:
    from tiny_jepa.commands.evaluate import evaluate_model, load_data, load_expert_data, load_model
    from tiny_jepa.device import get_device

    __all__ = ["evaluate_model", "get_device", "load_data", "load_expert_data", "load_model"]
