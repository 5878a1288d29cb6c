"""What a run needs before its first cell: the images of all programs, and the check of the endpoint contract."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from testbed.ownership import Owner, ResourceLabels
from testbed.run.compliance import check_contract
from testbed.run.contract import endpoint_environment, sidecar_environment
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.stack.cell import EndpointSpec, ordinary_user
from testbed.stack.images import Images
from testbed.stack.ports import Image, Runtime

OURS: Final = ("py", "c")

UsedImage = tuple[str, Image]
"""Tag and image."""


def _key(program: str, role: str) -> str:
    return f"{program} {role}" if program in OURS else program


class PreparedImages:
    """The images that the cells of a run use, and the files that their links need."""

    def __init__(
        self, netem: UsedImage, programs: Mapping[str, UsedImage], files: Mapping[str, bytes] = MappingProxyType({})
    ) -> None:
        self._netem = netem
        self._programs = programs
        self._files = files

    @property
    def programs(self) -> Mapping[str, UsedImage]:
        """Return the prepared programs, for the next call of `prepare_images`."""
        return self._programs

    @property
    def netem_tag(self) -> str:
        """Return the tag of the sidecar's image."""
        return self._netem[0]

    def tags(self, planned: PlannedCell) -> list[str]:
        """Return the tags of all images of a cell."""
        return [tag for tag, _ in self.of_cell(planned).values()]

    def of_cell(self, planned: PlannedCell) -> dict[str, UsedImage]:
        """Return the images of a cell by role, and the sidecar's as `netem`."""
        programs = {role: self._programs[_key(getattr(planned.cell, role), role)] for role in ROLES}
        return programs | {"netem": self._netem}

    def ids(self) -> dict[str, str]:
        """Return the ids of all images by tag."""
        return {tag: image.id for tag, image in (self._netem, *self._programs.values())}

    def endpoints(self, planned: PlannedCell, *, emulated: bool, real_time: bool) -> dict[str, EndpointSpec]:
        """Return the endpoints of a cell, for a machine that is emulated or not, and grants real time or not."""
        specs: dict[str, EndpointSpec] = {}
        used = self.of_cell(planned)
        for role in ROLES:
            tag, image = used[role]
            specs[role] = EndpointSpec(
                image=tag,
                user=ordinary_user(image.user),
                environment=endpoint_environment(planned.cell, role),
                sidecar_environment=sidecar_environment(planned.cell, role, emulated=emulated),
                sysctls=planned.cell.sysctls(role),
                files=self._files,
                ipv6=planned.cell.family != "ipv4",
                real_time=planned.cell.realtime == "require" or (planned.cell.realtime == "auto" and real_time),
            )
        return specs


def prepare_images(
    engine: Runtime,
    images: Images,
    scenario: Scenario,
    run: str,
    owner: Owner,
    *,
    known: Mapping[str, UsedImage] = MappingProxyType({}),
) -> PreparedImages:
    """Build what is missing and check every image that is not ours, except the `known` programs.

    Raises HostError and ContractError.
    """
    netem = images.ours("netem")
    programs = dict(known)
    for planned in scenario.cells:
        for role in ROLES:
            program = getattr(planned.cell, role)
            key = _key(program, role)
            if key in programs:
                continue
            programs[key] = images.program(program, role)
            if program not in OURS:
                check_contract(engine, ResourceLabels(run, "contract", owner), *programs[key])
    return PreparedImages(netem, programs, scenario.files)
