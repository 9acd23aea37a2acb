"""Loss-weighting studies for joint multi-object trackers: which weighting should we use, and what does it cost?"""
