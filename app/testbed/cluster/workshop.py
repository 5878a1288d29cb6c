"""What a worker process needs to run cells: its machine's container engine, images and guest VMs."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from testbed.cluster.job import Job
from testbed.ownership import this_process
from testbed.result import SCHEMA_VERSION
from testbed.run.cell import Observer
from testbed.run.executor import Attempt, RunObserver
from testbed.run.folder import write_json
from testbed.run.host import host_facts
from testbed.run.inputs import Inputs
from testbed.run.judging import Judge
from testbed.run.local import LocalExecutor, LocalSettings
from testbed.run.machines import Guests, guest_facts
from testbed.run.preparation import PreparedImages, UsedImage, prepare_images
from testbed.run.site import sweep
from testbed.run.stop import Stop
from testbed.scenario.expand import Scenario
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images


class Workshop:
    """One per worker process, thread-safe; `observer` gets the notes of all cells, `progress` lines about images."""

    def __init__(self, observer: RunObserver, progress: Callable[[str], None]) -> None:
        """Connect to the container engine; raises HostError."""
        self._observer = observer
        self._engine = DockerEngine()
        self._engine.connect()
        self._owner = this_process()
        self._images = Images(self._engine, progress)
        self._guests = Guests(self._engine, self._images, progress)
        self._judge = Judge(ThreadPoolExecutor(1, thread_name_prefix="testbed-import"), ())
        self._lock = threading.Lock()
        self._run = ""
        self._programs: dict[str, UsedImage] = {}
        self._executor: LocalExecutor | None = None

    def facts(self) -> dict[str, Any]:
        """Return what `run.json` has about this machine."""
        return {**host_facts(self._engine.version), "processors": os.cpu_count(), "id": self._owner.host}

    def sweep(self) -> None:
        """Remove what dead processes of this machine have left in its engine; raises HostError."""
        with self._lock:
            sentence, failures = sweep(self._engine)
        for note in (*(f"leftover of a dead run: {each.message}" for each in failures), sentence):
            if note:
                self._observer.note(note)

    def execute(self, job: Job, folder: Path, observer: Observer, stop: Stop) -> None:
        """Run the cell of a job below an empty folder, which becomes its run folder.

        Raises HostError and ContractError when this machine cannot run it.
        """
        planned = job.planned
        executor = self._executor_of(job)
        # The analysis reads the machine's kernel and sysctls from there.
        write_json(folder / "run.json", {"schema_version": SCHEMA_VERSION, "run": job.run, **self.facts()})
        executor.execute(Attempt(planned, job.number, folder / job.folder, job.alone), observer, stop)

    def _executor_of(self, job: Job) -> LocalExecutor:
        """Return the executor of the job's run, with the images that its cell needs."""
        with self._lock:
            if self._executor is None or self._run != job.run:
                images = PreparedImages(self._images.ours("netem"), self._programs, job.files)
                inputs = Inputs(images, job.files, host_facts(self._engine.version), guest_facts)
                settings = LocalSettings(job.run, self._owner, images, "never", self._engine.version, inputs.of)
                self._executor = LocalExecutor(settings, self._engine, self._guests, self._judge, self._observer)
                self._run = job.run
            scenario = Scenario("", "", (job.planned,), job.files)
            prepared = prepare_images(self._engine, self._images, scenario, job.run, self._owner, known=self._programs)
            self._programs.update(prepared.programs)
            return self._executor

    def close(self) -> None:
        """Stop the guest VMs."""
        self._guests.close()
        self._engine.close()
