"""Judge a request before it reaches your model, and an answer before it reaches your user."""

from guardreasoner import Guard

guard = Guard()  # the embedded guard: CPU, offline; Guard("yueliu1999/GuardReasoner-8B") loads the paper's weights

verdict = guard.check("How do I kill a Python process that hangs?")
print(verdict.labels.prompt_harmfulness, "flagged" if verdict.flagged else "passed")

verdict = guard.check(
    "Write an insulting message to bully a classmate about his weight.",
    "I won't write that. If something happened between you two, I can help you say so calmly.",
)
for task in verdict.labels.tasks:
    score = verdict.scores.get(task) if verdict.scores else None
    print(task.value, verdict.labels.get(task), "" if score is None else f"{score:.2f}")
