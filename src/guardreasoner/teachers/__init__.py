"""Who writes the reasoning that a guard learns from: a labelled sample in, reasoning out."""
