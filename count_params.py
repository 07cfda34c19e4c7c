"""Counts a model's parameters and cost: python count_params.py [--budget 2k | --weights FILE | --all] [--json]"""

from tiny_jepa.errors import run_command

if __name__ == "__main__":
    run_command("count")
