"""The machine inside the machine: a network and a mount namespace, a disk, and a cable to the host.

A holder process owns both namespaces; every component enters them through it. Nothing is mounted on the host, no rule
or route is added to it, and no file outside the run folder is written: inside, /run is a new tmpfs and the writable
system folders are overlays on the node's disk. The namespaces, with every mount, interface and rule in them, go with
their last process.

Not `ip netns exec`: it remounts /sys, and the cgroup file systems below it are gone.
"""

import time
from pathlib import Path

from infra.cluster.instance import Instance
from infra.cluster.process import Supervisor
from infra.commands import CommandError, run

HOLDER = "namespaces"
_HOLDER_DEADLINE_S = 5.0
_DETACH_DEADLINE_S = 10.0
# What containerd, the kubelet, CNI plugins and dockerd write outside the folders they are given.
_OVERLAID = ("etc", "opt", "var")


class NodeError(Exception):
    """The node's namespaces, disk or network could not be made or removed."""


def enter_prefix(supervisor: Supervisor) -> list[str]:
    """Return the command prefix that runs a program inside the node.

    Raises:
        NodeError: the holder of the namespaces does not run.
    """
    holder = supervisor.running(HOLDER)
    if holder is None:
        raise NodeError("the process that holds the node's namespaces is gone: `up` starts anew")
    return ["nsenter", f"--target={holder.pid}", "--mount", "--net", "--"]


def create(instance: Instance, supervisor: Supervisor) -> None:
    """Make namespaces, disks, overlays and the veth pair.

    Raises:
        NodeError: a step failed; the message has its command and output.
    """
    # Slave: what the host unmounts goes here too, and nothing of ours shows there.
    supervisor.start(HOLDER, ["unshare", "--mount", "--net", "--propagation=slave", "sleep", "infinity"])
    try:
        _wait_for_namespaces(supervisor)
        inside = enter_prefix(supervisor)
        _make_disk(instance.storage, instance.settings.disk_gib)
        _make_disk(instance.docker_storage, instance.settings.disk_gib)
        for command in mount_commands(instance):
            run([*inside, *command])
        for command in network_commands(instance, supervisor):
            run(command)
    except CommandError as error:
        raise NodeError(f"node of instance {instance.name}: {error}") from error


def disconnect(instance: Instance) -> None:
    """Remove the host's end of the cable now; the kernel would take it along, in its own time.

    Raises:
        NodeError: it cannot be removed.
    """
    interface = Path("/sys/class/net", instance.interface)
    if not interface.exists():
        return
    try:
        run(["ip", "link", "delete", instance.interface])
    except CommandError as error:
        # The kernel, taking the namespace down at the same time, may have been faster.
        if interface.exists():
            raise NodeError(f"node of instance {instance.name}: {error}") from error


def wait_until_detached(folder: Path) -> None:
    """Wait until no loop device stands for a file below `folder`.

    Raises:
        NodeError: one stays attached: a process outside of the instance's cgroup holds its mount namespace.
    """
    deadline = time.monotonic() + _DETACH_DEADLINE_S
    while attached := attached_disks(folder):
        # The kernel takes namespaces down after their last process, and detaches their loop devices then.
        if time.monotonic() > deadline:
            listed = ", ".join(attached)
            raise NodeError(f"still attached {_DETACH_DEADLINE_S:g} s after the last process: {listed}")
        time.sleep(0.02)


def attached_disks(folder: Path) -> list[str]:
    """Return the loop devices that stand for files below `folder`, as `/dev/loop0 (file)`."""
    found = []
    for backing in sorted(Path("/sys/block").glob("loop*/loop/backing_file")):
        try:
            file = backing.read_text(encoding="utf-8").strip().removesuffix(" (deleted)")
        except OSError:  # detached since the listing
            continue
        if Path(file).is_relative_to(folder):
            found.append(f"/dev/{backing.parts[3]} ({file})")
    return found


def mount_commands(instance: Instance) -> list[list[str]]:
    """Return the commands, run inside the node in this order, that give it its disk and its writable folders."""
    aside = "/mnt"  # of the file hierarchy standard, and below none of the folders that get covered
    disk = f"{aside}/{instance.storage.name}"
    commands = [
        _mount_disk(instance.storage),
        _mount_disk(instance.docker_storage),
        # The run folder lies below a folder that is covered next: put aside, and back in its place afterwards.
        ["mount", "--rbind", str(instance.run), aside],
        ["mkdir", "-p", *(f"{disk}/{kind}/{top}" for top in _OVERLAID for kind in ("upper", "work"))],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"],
    ]
    for top in _OVERLAID:
        options = f"lowerdir=/{top},upperdir={disk}/upper/{top},workdir={disk}/work/{top}"
        commands.append(["mount", "-t", "overlay", "-o", options, "overlay", f"/{top}"])
    commands += [
        ["mkdir", "-p", str(instance.run), "/run/lock"],
        ["mount", "--rbind", aside, str(instance.run)],
        ["umount", "--recursive", aside],
        # Inside there is one resolver. The host's may be a link into /run, and is not reachable from here anyway.
        ["rm", "-f", "/etc/resolv.conf"],
        ["cp", str(instance.config / "resolv.conf"), "/etc/resolv.conf"],
        # The kubelet's mounts must propagate into containers.
        ["mount", "--make-rshared", "/"],
    ]
    return commands


def network_commands(instance: Instance, supervisor: Supervisor) -> list[list[str]]:
    """Return the commands, run on the host in this order, that connect the node to the host and to nothing else."""
    inside = enter_prefix(supervisor)
    holder = inside[1].removeprefix("--target=")
    pair = ["ip", "link", "add", instance.interface, "type", "veth", "peer", "name", "eth0", "netns", holder]
    return [
        pair,
        ["ip", "address", "add", f"{instance.host_ip}/30", "dev", instance.interface],
        ["ip", "link", "set", instance.interface, "up"],
        [*inside, "ip", "link", "set", "lo", "up"],
        [*inside, "ip", "address", "add", f"{instance.node_ip}/30", "dev", "eth0"],
        [*inside, "ip", "link", "set", "eth0", "up"],
        # A default route is what pods' traffic and the components' own address detection ask for. The host does not
        # forward it: the cluster reaches the host and nothing beyond.
        [*inside, "ip", "route", "add", "default", "via", instance.host_ip],
        # Before dockerd starts: one that switches this on itself sets the FORWARD policy to DROP and cuts pods off.
        [*inside, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"],
    ]


def _wait_for_namespaces(supervisor: Supervisor) -> None:
    own = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + _HOLDER_DEADLINE_S
    while time.monotonic() < deadline:
        holder = supervisor.running(HOLDER)
        if holder is None:
            text = supervisor.log(HOLDER).read_text(encoding="utf-8", errors="replace").strip()
            raise NodeError(f"namespaces cannot be made here: {text or 'unshare ended without a word'}")
        # It has them when it has become `sleep`: unshare sets propagation between the system call and the exec.
        if Path(f"/proc/{holder.pid}/comm").read_text(encoding="utf-8").strip() == "sleep":
            if Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
                raise NodeError("unshare made no network namespace")
            return
        time.sleep(0.005)
    raise NodeError(f"no namespaces within {_HOLDER_DEADLINE_S:g} s")


def _mount_disk(mount_point: Path) -> list[str]:
    # noinit_itable: no kernel thread that fills the inode tables of a disk that lives for minutes.
    image = str(mount_point.with_suffix(".img"))
    return ["mount", "-o", "loop,noinit_itable,noatime", image, str(mount_point)]


def _make_disk(mount_point: Path, size_gib: int) -> None:
    image = mount_point.with_suffix(".img")
    mount_point.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size_gib * 2**30)  # sparse: takes what is written, not what it could hold
    # No journal and no reserved blocks: the disk goes with the cluster, so neither speed nor space is spent on crashes.
    # Half the usual inodes (650,000 on 20 GiB): EKS nodes have XFS, which sets no space aside for them.
    features = ["-O", "^has_journal", "-m", "0", "-i", "32768", "-E", "lazy_itable_init=1,nodiscard"]
    run(["mkfs.ext4", "-q", *features, str(image)])
