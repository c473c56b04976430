"""`python -m bench [--quick] [SUBJECT…]`: each subject's figures, one after the other."""

from __future__ import annotations

import argparse
import time

from bench import command_line, grpc, http, memory, overload, resp
from bench.measuring import FULL, QUICK
from bench.servers import interfaces

SUBJECTS = {
    "command-line": (command_line.measure, ()),
    "http": (http.measure, ("http",)),
    "resp": (resp.measure, ("tcp",)),
    "grpc": (grpc.measure, ("grpc",)),
    "memory": (memory.measure, ("http", "tcp")),
    "overload": (overload.measure, ("http",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("subjects", metavar="SUBJECT", nargs="*", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="a look of two minutes")
    args = parser.parse_args()
    if unknown := set(args.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    start = time.monotonic()
    for name, (measure, needs) in SUBJECTS.items():
        if not args.subjects or name in args.subjects:
            if missing := set(needs) - set(interfaces()):
                print(f"\n{name}: skipped, the template has no {', '.join(sorted(missing))} yet")
                continue
            measure(QUICK if args.quick else FULL)
    print(f"\n{(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
