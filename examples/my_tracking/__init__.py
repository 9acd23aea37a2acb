"""A weighting, a task loss and a tracker outside the platform: the examples of docs/extending.md."""
