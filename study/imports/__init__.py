"""Past runs of other tools, as rows of this platform that say what they were read from.

`sources.read` gives the runs of a file or folder, `rows.make_rows` their rows. Nothing here imports ray or torch.
"""
