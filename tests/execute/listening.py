"""Where processes listen."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

import psutil


def listening() -> Iterator[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """Names and addresses of this process and all that it has started."""
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections(kind="inet"):
                if connection.status == psutil.CONN_LISTEN:
                    address = ipaddress.ip_address(connection.laddr.ip)
                    yield process.name(), getattr(address, "ipv4_mapped", None) or address
