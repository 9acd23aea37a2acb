"""Ports for clusters beside which others may be."""

import socket
from contextlib import ExitStack


def free_ports(number: int) -> list[int]:
    """So many ports that nobody listens on, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in probes]
