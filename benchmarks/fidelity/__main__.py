"""Compare the engines in a guest VM and write docs/fidelity.md: python -m benchmarks.fidelity [--kernel NAME]."""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from benchmarks.fidelity.compare import judged, measure, noises
from benchmarks.fidelity.report import write

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "fidelity.md"


def main() -> int:
    """Measure, judge, write the document; exit code 1 if a comparison differs."""
    parser = argparse.ArgumentParser(prog="fidelity", description="Compare the kernel's netem with the user engine.")
    parser.add_argument("--kernel", default="bookworm", help="name or version of the guest's kernel")
    parser.add_argument("--samples", type=Path, default=Path("runs/fidelity"), help="folder for the samples")
    parser.add_argument("--judge", action="store_true", help="judge the samples that are there")
    arguments = parser.parse_args()
    facts_file = arguments.samples / "facts.json"
    if not arguments.judge:
        facts = measure(arguments.kernel, arguments.samples)
        facts_file.write_text(json.dumps(facts))
    findings = list(judged(arguments.samples))
    write(DOCUMENT, findings, json.loads(facts_file.read_text()), noises(arguments.samples))
    different = [finding for finding in findings if not finding.same]
    for finding in different:
        print(f"DIFFERENT {finding.text}: {finding.what}: {finding.kernel} and {finding.user}, p = {finding.p}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
