"""From predictions to scores, and from scores to a terminal, a pipe or JSON."""
