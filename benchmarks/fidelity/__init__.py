"""The kernel's netem and the user engine side by side in one guest: are the two the same link?

    rows.py     the table of impairments, and what is compared of each
    lab.py      sends the packets of a row through an engine and brings both captures home
    sample.py   what two captures say about one row
    inference.py the statistical tests, in closed form or exact
    judge.py    two samples to figures with p values
    tcp.py      a slow reader over both, by verdict and goodput
    report.py   docs/fidelity.md
    compare.py  all of it, one after another

`python -m benchmarks.fidelity` compares and writes the document.
"""
