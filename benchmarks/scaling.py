"""What a study costs beside its training, by numbers of trials and of slots: the constants of docs/scaling.md.

    python benchmarks/scaling.py run FOLDER --trials 2000 --slots 8
    python benchmarks/scaling.py read FOLDER
    python benchmarks/scaling.py plan --trials 1000 10000
    python benchmarks/scaling.py requests --trials 20
    python benchmarks/scaling.py actors --slots 400 600
    python benchmarks/scaling.py suggestions --trials 100 200

`run` has `python -m study.run` run trials that sleep instead of training (`sleeping_trials.py`), on a Ray that is told
of as many cores as there are to be slots, and looks at all its processes meanwhile; FOLDER gets the results and
`samples.csv`. `read` times the commands that read such results, and counts files, bytes and rows. `plan` plans studies
that are never run. `requests` counts what trials ask of an object store, `tests/s3_server.py`. `actors` has the
dispatcher answer as many waiting groups and trials as so many slots bring. `suggestions` has two searches suggest
trials that nobody runs.
"""

import argparse
from pathlib import Path

from sleeping import asked, planned, running, stored, suggesting, waiting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run")
    run.add_argument("folder", type=Path)
    run.add_argument("--trials", type=int, default=100)
    run.add_argument("--slots", type=int, default=2)
    run.add_argument("--seconds", type=float, default=1.0, help="that each of a trial's two steps sleeps")
    run.add_argument("--set", action="append", default=[], help="as that of study.run")
    run.set_defaults(do=lambda o: running.measure(o.folder, o.trials, o.slots, o.seconds, o.set))

    read = commands.add_parser("read")
    read.add_argument("folder", type=Path)
    read.set_defaults(do=lambda o: stored.measure(o.folder))

    plan = commands.add_parser("plan")
    plan.add_argument("--trials", type=int, nargs="+", default=[1000, 10000])
    plan.set_defaults(do=lambda o: planned.measure(o.trials))

    requests = commands.add_parser("requests")
    requests.add_argument("--trials", type=int, default=20)
    requests.set_defaults(do=lambda o: asked.measure(o.trials))

    actors = commands.add_parser("actors")
    actors.add_argument("--slots", type=int, nargs="+", default=[400, 600])
    actors.set_defaults(do=lambda o: waiting.measure(o.slots))

    suggestions = commands.add_parser("suggestions")
    suggestions.add_argument("--trials", type=int, nargs="+", default=[50, 100, 200])
    suggestions.set_defaults(do=lambda o: suggesting.measure(o.trials))

    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
