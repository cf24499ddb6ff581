"""GuardReasoner: a guard for LLM applications that reasons before it judges."""

from guardreasoner.types import Exchange, Labels, Malformed, Sample, SamplingParams, Scores, Task, Verdict

__version__ = "0.1.0"
__all__ = ["Exchange", "Labels", "Malformed", "Sample", "SamplingParams", "Scores", "Task", "Verdict", "__version__"]
