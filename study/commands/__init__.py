"""What `python -m study.run` does besides running studies: a module a command, with `main(arguments) -> exit code`.

A command takes the name of a study or a trial, and `--results` like a run; `migrate` takes a folder.
"""

COMMANDS: dict[str, str] = {
    "frames": "frames",
    "gc": "gc",
    "import": "import_runs",
    "migrate": "migrate",
    "repro": "repro",
    "status": "status",
}
"""Word on the command line to module of this room."""
