"""From files of other people to `Sample`s, and the figures they published."""
