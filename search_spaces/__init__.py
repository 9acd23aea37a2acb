"""Studies that come with the platform: one file each, plain Python that defines `STUDY`.

A new file here can be run by its name at once; nothing imports or registers it (`study.plan.load_study` executes it).
"""
