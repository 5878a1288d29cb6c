"""Whether an image keeps the endpoint contract, seen by asking it for a role that does not exist."""

import secrets
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from testbed.errors import ContractError, HostError
from testbed.peer.contract import PORT, UNSUPPORTED
from testbed.stack.cell import Identity, ordinary_user
from testbed.stack.clean import remove_all
from testbed.stack.ports import ContainerSpec, Exit, Handle, Image, Runtime
from testbed.wire.text import visible

ANSWER_S: Final = 15.0
"""Reading one variable takes no time; starting a container on a loaded machine may."""

TAIL_CHUNKS: Final = 8
LINE_CHARACTERS: Final = 200

HINT: Final = "docs/programs.md has the contract: environment in, exit status 0, 1 or 127 out"


def check_contract(engine: Runtime, identity: Identity, tag: str, image: Image) -> None:
    """Start the image with an unknown role; raises ContractError unless it answers with 127."""
    role = f"no-such-role-{secrets.token_hex(3)}"
    name = f"testbed-{identity.run}-contract"
    spec = ContainerSpec(
        name=name,
        image=tag,
        labels=identity.labels("contract"),
        environment={
            "TESTBED_ROLE": role,
            "TESTBED_FAMILY": "ipv4",
            "TESTBED_HOST": "server",
            "TESTBED_PORT": str(PORT),
        },
        user=ordinary_user(image.user),
        init=False,  # which ends with 127, too, when there is no program to start
    )
    tail: deque[bytes] = deque(maxlen=TAIL_CHUNKS)
    try:
        exit_ = _answer(engine, engine.create_container(spec), tail)
    except HostError as error:
        raise ContractError(f"the image {tag} cannot be started: {error.message}", hint=HINT) from error
    finally:
        remove_all(engine, [Handle("container", name, name)])
    if exit_ is None:
        raise ContractError(f"the image {tag} still runs {ANSWER_S:g} s after it was given the role {role}", hint=HINT)
    if exit_.code != UNSUPPORTED:
        said = f"given the role {role} it ended with exit status {exit_.code}, not {UNSUPPORTED}{_last_line(tail)}"
        raise ContractError(f"the image {tag} does not keep the endpoint contract: {said}", hint=HINT)


def _last_line(tail: Iterable[bytes]) -> str:
    lines = b"".join(tail).decode("utf-8", "replace").split("\n")
    said = next((line for line in reversed(lines) if line.strip()), "")
    return f"; it said: {visible(said)[:LINE_CHARACTERS]}" if said else ""


def _answer(engine: Runtime, handle: Handle, tail: deque[bytes]) -> Exit | None:
    answers: list[Exit] = []
    follow = engine.attach(handle, lambda _stream, data: tail.append(data))
    thread = threading.Thread(target=lambda: answers.append(follow()), name="contract", daemon=True)
    engine.start(handle)
    thread.start()
    thread.join(ANSWER_S)
    return answers[0] if answers else None
