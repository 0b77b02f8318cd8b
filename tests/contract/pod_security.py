"""The Pod Security Standard "restricted", one function for each of its controls.

Each takes a pod's template (`metadata` and `spec`) and yields a sentence for every violation. The
controls are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/, of the
baseline too where "restricted" does not go further. Windows has none of its own here: our images
are for Linux.
"""

from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]
Control = Callable[[Object], Iterator[str]]

APPARMOR = ("RuntimeDefault", "Localhost")
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SELINUX_TYPES = (
    "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t",
)  # fmt: skip
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
#: `image` is allowed from Kubernetes 1.33 on.
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip


def containers(template: Object) -> Iterator[Object]:
    """All that the pod runs."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from template["spec"].get(kind, [])


def _contexts(template: Object) -> Iterator[tuple[str, Object]]:
    yield "the pod", template["spec"].get("securityContext", {})
    for each in containers(template):
        yield each["name"], each.get("securityContext", {})


def host_process(template: Object) -> Iterator[str]:
    """No container is a process of the node."""
    for name, context in _contexts(template):
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield f"{name} is a process of the host"


def host_namespaces(template: Object) -> Iterator[str]:
    """No namespace is shared with the node."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if template["spec"].get(field):
            yield f"{field} is set"


def privileged(template: Object) -> Iterator[str]:
    """No container may do everything."""
    for each in containers(template):
        if each.get("securityContext", {}).get("privileged"):
            yield f"{each['name']} is privileged"


def capabilities(template: Object) -> Iterator[str]:
    """Every capability is dropped; only that to bind low ports may come back."""
    for each in containers(template):
        given = each.get("securityContext", {}).get("capabilities", {})
        if "ALL" not in given.get("drop", []):
            yield f"{each['name']} does not drop ALL capabilities"
        for name in set(given.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"{each['name']} adds the capability {name}"


def host_ports(template: Object) -> Iterator[str]:
    """No port of the node is taken."""
    for each in containers(template):
        if any(port.get("hostPort") for port in each.get("ports", [])):
            yield f"{each['name']} takes a port of the host"


def host_probes(template: Object) -> Iterator[str]:
    """No probe and no hook names a host."""
    for each in containers(template):
        asked: list[Object] = [
            each.get(f"{name}Probe", {}) for name in ("startup", "readiness", "liveness")
        ]
        asked += each.get("lifecycle", {}).values()
        if any(how.get(way, {}).get("host") for how in asked for way in ("httpGet", "tcpSocket")):
            yield f"{each['name']} has a probe or a hook that names a host"


def apparmor(template: Object) -> Iterator[str]:
    """AppArmor is not turned off."""
    for name, context in _contexts(template):
        if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in APPARMOR:
            yield f"{name} turns AppArmor off"
    for name, value in template.get("metadata", {}).get("annotations", {}).items():
        allowed = value in ("runtime/default", "") or value.startswith("localhost/")
        if name.startswith(APPARMOR_ANNOTATION) and not allowed:
            yield f"{name} turns AppArmor off"


def selinux(template: Object) -> Iterator[str]:
    """SELinux keeps the type of a container, and its user and role."""
    for name, context in _contexts(template):
        options = context.get("seLinuxOptions", {})
        if options.get("type", "") not in SELINUX_TYPES or {"user", "role"} & set(options):
            yield f"{name} chooses SELinux options"


def proc_mount(template: Object) -> Iterator[str]:
    """/proc is masked."""
    for each in containers(template):
        if each.get("securityContext", {}).get("procMount", "Default") != "Default":
            yield f"{each['name']} unmasks /proc"


def sysctls(template: Object) -> Iterator[str]:
    """Only kernel settings that stay within the pod."""
    given = template["spec"].get("securityContext", {}).get("sysctls", [])
    for name in {each["name"] for each in given} - SYSCTLS:
        yield f"the sysctl {name} is set"


def volume_types(template: Object) -> Iterator[str]:
    """No volume is a part of the node, nor one that the cluster's driver does not keep."""
    for volume in template["spec"].get("volumes", []):
        for kind in set(volume) - {"name"} - VOLUMES:
            yield f"the volume {volume['name']} is of the type {kind}"


def privilege_escalation(template: Object) -> Iterator[str]:
    """No process gets more rights than the one that started it."""
    for each in containers(template):
        if each.get("securityContext", {}).get("allowPrivilegeEscalation") is not False:
            yield f"{each['name']} allows privilege escalation"


def non_root(template: Object) -> Iterator[str]:
    """Every container says that it is not root, or the pod does and it does not contradict."""
    (_, pod), *each = _contexts(template)
    for name, context in each:
        if {**pod, **context}.get("runAsNonRoot") is not True:
            yield f"{name} may run as root"


def non_root_user(template: Object) -> Iterator[str]:
    """No user is 0."""
    for name, context in _contexts(template):
        if context.get("runAsUser") == 0:
            yield f"{name} runs as user 0"


def seccomp(template: Object) -> Iterator[str]:
    """Every container has a filter of system calls."""
    (_, pod), *each = _contexts(template)
    for name, context in each:
        profile = {**pod, **context}.get("seccompProfile", {})
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{name} has no seccomp profile"


CONTROLS: tuple[Control, ...] = (
    host_process,
    host_namespaces,
    privileged,
    capabilities,
    host_ports,
    host_probes,
    apparmor,
    selinux,
    proc_mount,
    sysctls,
    volume_types,
    privilege_escalation,
    non_root,
    non_root_user,
    seccomp,
)


def violations(template: Object) -> list[str]:
    """What a namespace that enforces "restricted" would refuse the pod for."""
    return [sentence for control in CONTROLS for sentence in control(template)]
