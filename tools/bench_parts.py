#!/usr/bin/env python3
"""Prints what the criterion benches measured: the least time of all samples, and the median.

Other programs on the machine only ever make a sample longer; so the least one is the closest to what the code itself costs.
"""

import json
import statistics
import sys
from pathlib import Path

found = sorted(Path("target/criterion").glob("*/new/sample.json"))
if not found:
    sys.exit("nothing measured yet: make bench-parts")
print("| Part | least | median |\n|---|---|---|")
for file in found:
    sample = json.loads(file.read_text())
    times = [time / count for time, count in zip(sample["times"], sample["iters"])]
    least, median = (f"{time / 1000:.2f} µs" for time in (min(times), statistics.median(times)))
    print(f"| {file.parent.parent.name} | {least} | {median} |")
