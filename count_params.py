"""Counts a model's parameters and cost: python count_params.py [--budget 2k | --weights FILE | --all] [--json]"""

import sys

from tiny_jepa.errors import leave_quietly, run_cli

if __name__ == "__main__":
    leave_quietly()

from tiny_jepa.commands.count import main

if __name__ == "__main__":
    run_cli(lambda: main(sys.argv[1:]))
