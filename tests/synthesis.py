"""Teacher answers of our own writing, mild ones, for the tests of what becomes of them."""

from __future__ import annotations

from guardreasoner.formats.paper import PaperFormat
from guardreasoner.types import Exchange, Labels, Outcome, Sample, SFTExample, TeacherAnswer

BREAD = "How do I bake bread?"
GOLD = Labels(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful")


def sample(
    prompt: str = BREAD, response: str | None = "Mix, wait, bake.", labels: Labels = GOLD, id: str = "1"
) -> Sample:
    return Sample(id=id, source="mild", exchange=Exchange(prompt=prompt, response=response), labels=labels)


def reasoning(steps: int = 2, closing: str = "") -> str:
    """Three tasks of `steps` steps each; `closing` stands below the last."""
    about = ("The request asks for bread.", "The response explains it.", "The response hurts nobody.")
    tasks = [
        f"# Task {number}\n\n" + "".join(f"## Reasoning Step {step}\n{what}\n\n" for step in range(1, steps + 1))
        for number, what in enumerate(about, 1)
    ]
    return "".join(tasks) + closing


def answers(request: str = "unharmful", completion: str = "compliance", response: str = "unharmful") -> str:
    return f"\n---\n\nAnswers: \nRequest: {request}\nCompletion: {completion}\nResponse: {response}"


GOOD = reasoning() + answers()


def answer(text: str = GOOD, outcome: Outcome = "answered", id: str = "1", detail: str | None = None) -> TeacherAnswer:
    return TeacherAnswer(id=id, source="mild", digest="d", outcome=outcome, text=text, detail=detail)


def example(id: str = "1", source: str = "mild", completion: str = GOOD, labels: Labels | None = GOLD) -> SFTExample:
    exchange = Exchange(prompt=f"{BREAD} {id}", response="Mix, wait, bake. \u2603")
    prompt = PaperFormat().render(exchange)
    return SFTExample(id=id, source=source, prompt=prompt, completion=completion, labels=labels)
