"""What Ray's autoscaler and `ray up` ask for machines in namespaces: `provider: {type: external, socket: ...}`."""

import json
import shlex
from typing import Any

from machines import reach
from ray.autoscaler._private.subprocess_output_util import ProcessRunnerError
from ray.autoscaler.command_runner import CommandRunnerInterface
from ray.autoscaler.node_provider import NodeProvider


class NamespaceProvider(NodeProvider):
    """Passes on every question, to wherever `machines.serve` answers."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        self.machines = reach(provider_config["socket"])

    def non_terminated_nodes(self, tag_filters: dict[str, str]) -> list[str]:
        return self.machines.names(tag_filters)

    def is_running(self, node_id: str) -> bool:
        return node_id in self.machines.names()

    def is_terminated(self, node_id: str) -> bool:
        return not self.is_running(node_id)

    def node_tags(self, node_id: str) -> dict[str, str]:
        return self.machines.tags(node_id)

    def set_node_tags(self, node_id: str, tags: dict[str, str]) -> None:
        self.machines.tag(node_id, tags)

    def external_ip(self, node_id: str) -> str:
        return self.machines.address(node_id)

    internal_ip = external_ip

    def create_node(self, node_config: dict[str, Any], tags: dict[str, str], count: int) -> None:  # noqa: ARG002
        for _ in range(count):
            self.machines.start(tags)

    def terminate_node(self, node_id: str) -> None:
        self.machines.end(node_id)

    def get_command_runner(self, log_prefix: str, node_id: str, *_: object, **__: object) -> CommandRunnerInterface:  # noqa: ARG002
        return Shell(self.machines, node_id)


class Shell(CommandRunnerInterface):
    """Runs commands on a machine, and puts files there: what SSH and rsync do elsewhere."""

    def __init__(self, machines: Any, name: str) -> None:
        self.machines, self.name = machines, name

    def run(
        self,
        cmd: str | None = None,
        timeout: int = 120,
        *_: object,
        environment_variables: dict[str, object] | None = None,
        **__: object,
    ) -> str:
        values = {key: shlex.quote(json.dumps(value)) for key, value in (environment_variables or {}).items()}
        line = "".join(f"export {key}={value}; " for key, value in values.items()) + (cmd or "true")
        code, out = self.machines.run(self.name, line, timeout)
        print(out, flush=True)
        if code:
            raise ProcessRunnerError("a command failed", "ssh_command_failed", code=code, command=line)
        return out

    def run_rsync_up(self, source: str, target: str, options: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        self.machines.put(self.name, source, target)

    def run_init(self, **_: object) -> bool:
        return False
