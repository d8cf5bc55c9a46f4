"""How well a descriptor finds optical patches in SAR images.

usage: python examples/evaluate_descriptor.py PAIRS structural,cfog
"""

import sys
from pathlib import Path

from promptmid_core.api import Setting, draw_trials, load_methods, read_pairs, run_trials, score_trials, table_of_scores

folder, methods = sys.argv[1:]
pairs, matchers = read_pairs(Path(folder)), load_methods(methods.split(","))
setting = Setting(patch=64, radius=32, trials=40, seed=1)
trials, left_out = draw_trials(pairs, setting)
results = run_trials(pairs, trials, matchers, setting)
print(table_of_scores(score_trials(results, pairs, matchers, setting), left_out))
