"""Medians of bench/run, and each contender's ratio to pg_opus on the same side.

Reads lines of `side_contender<TAB>milliseconds`; a contender's side is where its time starts: `server`, the document
lies in the server as uncompressed text; `client`, the client holds it and sends it as a parameter.
"""

import statistics
import sys
from collections import defaultdict

OURS = "load_works"


def main(path: str) -> None:
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="ascii") as lines:
        for line in lines:
            name, milliseconds = line.split("\t")
            side, contender = name.split("_", 1)
            times[side][contender].append(float(milliseconds))
    for side, contenders in sorted(times.items(), reverse=True):
        ours = statistics.median(contenders[OURS])
        print(f"document in the {side}:")
        for contender, each in sorted(contenders.items(), key=lambda item: statistics.median(item[1])):
            median = statistics.median(each)
            spread = f"{min(each) / 1000:.2f} to {max(each) / 1000:.2f} s"
            print(f"  {contender:22} {median / 1000:6.2f} s   ({spread:16})   {median / ours:5.2f} x")


main(sys.argv[1])
