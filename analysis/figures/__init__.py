"""Figures of studies: one file a kind of picture, each a function from a data frame to an Axes or a Figure.

Import a figure from its own module; `analysis.figures.style` has what they share: colours, text sizes, saving.
"""
