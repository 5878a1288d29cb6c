"""Compare the kernel's netem and the user engine in one guest VM: do they behave the same?

    rows.py     the table of impairments, and what is compared for each
    lab.py      sends the packets of a row through an engine and fetches both captures
    sample.py   extracts the sample of a row from two captures
    inference.py the statistical tests, in closed form or exact
    judge.py    two samples to figures with p values
    tcp.py      a slow reader over both, by verdict and goodput
    report.py   docs/fidelity.md
    compare.py  runs all of it

`python -m benchmarks.fidelity` compares and writes the document.
"""
