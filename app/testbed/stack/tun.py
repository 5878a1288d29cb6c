"""Whether the kernel below a container engine offers /dev/net/tun, which the user emulation engine needs."""

from typing import Final

from testbed.errors import HostError
from testbed.ownership import ResourceLabels
from testbed.stack.clean import remove_all
from testbed.stack.ports import ContainerSpec, Handle, Runtime

TUN: Final = "/dev/net/tun"


def has_tun(engine: Runtime, labels: ResourceLabels, image: str) -> bool:
    """Return whether a container with the device starts; this works for remote engines and guest VMs, too.

    Raises HostError when the start fails for another reason.
    """
    name = f"testbed-{labels.run}-tun"
    spec = ContainerSpec(
        name=name,
        image=image,
        labels=labels.for_role("tun"),
        environment={},
        command=("--help",),
        devices=(TUN,),
        tmpfs=("/run", "/tmp"),  # noqa: S108 - paths in the container
    )
    try:
        engine.start(engine.create_container(spec))
    except HostError as error:
        if TUN in error.message:
            return False
        raise
    finally:
        remove_all(engine, [Handle("container", name, name)])
    return True
