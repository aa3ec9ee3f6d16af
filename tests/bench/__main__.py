"""`make bench`: measure, and write what was found to `tests/bench.yaml` and into the table of the README.

make bench                                  all of it, about a quarter of an hour on 2 idle cores
make bench ARGS="--only churn,start-up"     some parts again; the figures of the others stay
make bench ARGS=--scores                    the detailed tables of scores in the README: hours
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from bench.lines import conditions, entry, read_measured, write_measured
from bench.parts import ON_REQUEST, PARTS, Effort, chosen, measure


def parser() -> argparse.ArgumentParser:
    built = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    built.add_argument(
        "--only",
        metavar="PART,...",
        help=f"measure these alone: {', '.join(PARTS)}; {', '.join(ON_REQUEST)} is measured only when it is named",
    )
    built.add_argument("--smoke", action="store_true", help="tiny settings: shows that the measuring works")
    built.add_argument("--dry", action="store_true", help="print, and write nothing")
    built.add_argument("--scores", action="store_true", help="print the scores over seeds and folds, and nothing else")
    built.add_argument("--seeds", type=int, default=10, help="with --scores: how many of churn")
    return built


def is_idle() -> bool:
    """Tell whether the machine did little in the last minute; True where the system does not say."""
    return not hasattr(os, "getloadavg") or os.getloadavg()[0] < 0.5


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.scores:
        from bench.scores import print_scores  # brings TensorFlow

        return print_scores(options.seeds)
    try:
        parts = chosen(options.only)
    except ValueError as error:
        parser().error(str(error))
    circumstances = conditions(smoke=options.smoke, idle=is_idle())
    if not circumstances["idle"]:
        print(
            "The machine was busy in the last minute: the table will say so. Better wait until it is idle.",
            file=sys.stderr,
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    measured = read_measured()
    for part in parts:
        began = time.perf_counter()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            device, lines = pool.submit(measure, part, Effort(options.smoke)).result()
        print(f"{part}, measured in {time.perf_counter() - began:.0f} s", flush=True)
        for line in lines:
            ours = "never" if line.ours is None else f"{line.ours:.3f} s"
            print(
                f"  {line.what}: {ours}; {line.opponent}: {line.theirs:.3f} s; {line.verdict()} ({line.how})",
                flush=True,
            )
        measured[part] = entry(lines, {"device": device, **circumstances})
        if not options.dry:
            write_measured(measured, list(PARTS))  # now, so that a part that fails takes no other with it
    return 0


if __name__ == "__main__":
    sys.exit(main())
