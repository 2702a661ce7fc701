"""The commands that make the node, in their order; that they work is e2e's to show."""

from infra.cluster.instance import Instance
from infra.cluster.node import mount_commands


def test_run_folder_is_put_aside_before_anything_is_covered(instance: Instance) -> None:
    """It lies below /var, which becomes an overlay on a disk that is in the run folder itself."""
    words = [" ".join(command) for command in mount_commands(instance)]
    aside = words.index(f"mount --rbind {instance.run} /mnt")
    back = words.index(f"mount --rbind /mnt {instance.run}")
    covering = [i for i, line in enumerate(words) if line.startswith(("mount -t overlay", "mount -t tmpfs"))]
    assert len(covering) == 4
    assert aside < min(covering)
    assert max(covering) < back


def test_host_folders_are_only_ever_a_lower_layer(instance: Instance) -> None:
    """What the components write below /etc, /opt and /var lands on the node's disk."""
    overlays = [command[4] for command in mount_commands(instance) if "overlay" in command]
    assert [options.split(",")[0] for options in overlays] == ["lowerdir=/etc", "lowerdir=/opt", "lowerdir=/var"]
    assert all("upperdir=/mnt/node/upper/" in options for options in overlays)


def test_mounts_propagate_into_containers_last(instance: Instance) -> None:
    """The kubelet needs it, and the steps before must not."""
    assert mount_commands(instance)[-1] == ["mount", "--make-rshared", "/"]
