"""From result rows to a decision: statistics, figures, tables, the report and its verdict.

Reads only what `study.results` loads. `analysis.evidence.read_evidence` gives the trials that may be compared;
statistics, figures and tables are functions of data frames, each in a module named for it.
"""
