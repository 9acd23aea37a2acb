"""What `python -m study.run` does besides running studies: a module a command, with `main(arguments) -> exit code`.

Every command takes the name of a study or a trial, and `--results` like a run.
"""

COMMANDS: dict[str, str] = {"gc": "gc", "repro": "repro"}
"""Word on the command line to module of this room."""
