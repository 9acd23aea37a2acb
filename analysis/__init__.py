"""From result rows to answers: leaderboard and figures.

Reads only what `study.results` loads; import `analysis.leaderboard.leaderboard` and `analysis.figures` from here.
"""
