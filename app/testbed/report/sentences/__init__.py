"""The sentences of the findings, one short module per finding. Pure: typed facts in, text out."""
