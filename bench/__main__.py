"""`python -m bench [--quick] [SUBJECT…]`: each subject's figures, one after the other."""

from __future__ import annotations

import argparse
import time

from bench import command_line, grpc, http, memory, overload, resp, updates
from bench.measuring import FULL, QUICK

SUBJECTS = {
    "command-line": command_line.measure,
    "updates": updates.measure,
    "http": http.measure,
    "resp": resp.measure,
    "grpc": grpc.measure,
    "memory": memory.measure,
    "overload": overload.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("subjects", metavar="SUBJECT", nargs="*", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="a look of two minutes")
    args = parser.parse_args()
    if unknown := set(args.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    start = time.monotonic()
    for name, measure in SUBJECTS.items():
        if not args.subjects or name in args.subjects:
            measure(QUICK if args.quick else FULL)
    print(f"\n{(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
