"""Check that an image follows the endpoint contract, by requesting a role that does not exist."""

import secrets
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from testbed.errors import ContractError, HostError
from testbed.ownership import ResourceLabels
from testbed.peer.contract import PORT, UNSUPPORTED
from testbed.stack.cell import ordinary_user
from testbed.stack.clean import remove_all
from testbed.stack.ports import ContainerSpec, Exit, Handle, Image, Runtime
from testbed.wire.text import visible

EXIT_S: Final = 15.0
"""Reading one variable takes no time; starting a container on a loaded machine may."""

TAIL_CHUNKS: Final = 8
LINE_CHARACTERS: Final = 200

HINT: Final = "docs/programs.md has the contract: environment in, exit code 0, 1 or 127 out"


def check_contract(engine: Runtime, labels: ResourceLabels, tag: str, image: Image) -> None:
    """Start the image with an unknown role; raises ContractError unless it exits with 127."""
    role = f"no-such-role-{secrets.token_hex(3)}"
    name = f"testbed-{labels.run}-contract"
    spec = ContainerSpec(
        name=name,
        image=tag,
        labels=labels.for_role("contract"),
        environment={
            "TESTBED_ROLE": role,
            "TESTBED_FAMILY": "ipv4",
            "TESTBED_HOST": "server",
            "TESTBED_PORT": str(PORT),
        },
        user=ordinary_user(image.user),
        init=False,  # an init process exits with 127, too, when it finds no program
    )
    tail: deque[bytes] = deque(maxlen=TAIL_CHUNKS)
    try:
        exit_ = _run(engine, engine.create_container(spec), tail)
    except HostError as error:
        raise ContractError(f"the image {tag} cannot be started: {error.message}", hint=HINT) from error
    finally:
        remove_all(engine, [Handle("container", name, name)])
    if exit_ is None:
        raise ContractError(
            f"the image {tag} did not exit within {EXIT_S:g} s, with the unknown role {role}", hint=HINT
        )
    if exit_.code != UNSUPPORTED:
        reason = f"with the unknown role {role} it exited with code {exit_.code}, not {UNSUPPORTED}{_last_line(tail)}"
        raise ContractError(f"the image {tag} does not follow the endpoint contract: {reason}", hint=HINT)


def _last_line(tail: Iterable[bytes]) -> str:
    lines = b"".join(tail).decode("utf-8", "replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f"; its last line: {visible(last)[:LINE_CHARACTERS]}" if last else ""


def _run(engine: Runtime, handle: Handle, tail: deque[bytes]) -> Exit | None:
    exits: list[Exit] = []
    follow = engine.attach(handle, lambda _stream, data: tail.append(data))
    thread = threading.Thread(target=lambda: exits.append(follow()), name="contract", daemon=True)
    engine.start(handle)
    thread.start()
    thread.join(EXIT_S)
    return exits[0] if exits else None
