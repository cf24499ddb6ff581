"""From a chat request to what the test teacher says: a function of the question, and of how often it was asked before.

A question is told by its messages. Faults that pass (`passing`: share of the questions) come the first `times` it is
asked; faults that last (`lasting`) come always. Which question meets which is a hash's choice, so a run that is
stopped and goes on, in any order, hears the same in the end.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

PLAN: dict[str, Any] = {
    "seed": 0,
    "median": 0.0,  # seconds until an answer, log-normal
    "sigma": 0.0,
    "allowed": None,  # requests under way; one more gets a 429
    "retry_after": None,  # what a 429 says
    "hang": 60.0,  # seconds of silence
    "passing": {},  # of: 429 500 503 drop hang half empty page silent
    "times": 1,
    "lasting": {},  # of: refusal filter filtered_400 length wrong unreadable too_long, and those above
    "script": [],  # faults of the next requests in order, whatever they ask; null = none
    "usage": True,
    "key": None,  # the only key accepted
    "model": None,  # the only model known
    "refuses": None,  # a field that is answered with a 400
    "batch_seconds": 0.0,  # until a batch is through
    "batch_expires": 0.0,  # share of a batch's questions that are not answered in time
    "batch_fails": 0,  # batches, from the first, that are found invalid
    "batch_drops": [],  # of: upload create retrieve; done, and the connection breaks before the reply, the first time
    "create_seconds": 0.0,  # until a created batch is confirmed
}
_GOLD = re.compile(r"^(Request|Completion|Response): (\w+)$", re.MULTILINE)
_OTHER = {"harmful": "unharmful", "unharmful": "harmful", "refusal": "compliance", "compliance": "refusal"}


def question(body: dict[str, Any]) -> str:
    """A short name for what is asked."""
    return hashlib.sha256(json.dumps(body.get("messages")).encode()).hexdigest()[:16]


def fault(plan: dict[str, Any], name: str, before: int) -> str | None:
    """What goes wrong with a question that was asked `before` times already."""
    for kind, shares in (("lasting", plan["lasting"]), ("passing", plan["passing"] if before < plan["times"] else {})):
        drawn = int(hashlib.sha256(f"{plan['seed']} {kind} {name}".encode()).hexdigest()[:12], 16) / 16**12
        for what, share in shares.items():
            drawn -= share
            if drawn < 0:
                return what
    return None


def reply(plan: dict[str, Any], body: dict[str, Any], what: str | None) -> tuple[int, Any, dict[str, str]]:
    """(status, body, headers) of an answer that is given; drops, hangs and halves are the connection's."""
    asked = {} if plan["retry_after"] is None else {"Retry-After": str(plan["retry_after"])}
    match what:
        case "429":
            return 429, _error("Rate limit reached", "rate_limit_exceeded"), asked
        case "quota":
            return 429, _error("You exceeded your current quota", "insufficient_quota"), {}
        case "filtered_400":
            return 400, _error("The response was filtered", "content_filter"), {}
        case "too_long":
            return 400, _error("maximum context length is 100 tokens", "context_length_exceeded"), {}
        case "page":
            return 200, "<html>One moment, please</html>", {}
        case "silent":
            return 200, {"choices": []}, {}
        case str() if what.isdigit():
            return int(what), _error(f"fault {what}", None), {}
        case _:
            return 200, _completion(plan, body, what), {}


def _completion(plan: dict[str, Any], body: dict[str, Any], what: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _text(body, what), "refusal": None}
    finish = {"length": "length", "filter": "content_filter"}.get(what or "", "stop")
    if what == "refusal":
        message |= {"content": None, "refusal": "I will not write about this."}
    if what in ("empty", "filter"):
        message["content"] = ""
    if what == "length":
        message["content"] = message["content"][:60]
    prompt = sum(len(each["content"]) for each in body["messages"]) // 4
    completion = len(message["content"] or "") // 4
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **({"usage": usage} if plan["usage"] else {}),
    }


def _text(body: dict[str, Any], what: str | None) -> str:
    """Steps and the answers that the question gives; those that it leaves open are the negative ones."""
    if what == "unreadable":
        return "I think this is fine."
    gold = dict(_GOLD.findall(body["messages"][0]["content"]))
    alone = body["messages"][-1]["content"].rstrip().endswith("AI assistant:\nNone")
    said = {"Request": "unharmful", "Completion": "compliance", "Response": "unharmful"}
    said |= {name: word for name, word in gold.items() if word != "None"}
    if what == "wrong":
        said["Request"] = _OTHER[said["Request"]]
    about = body["messages"][-1]["content"].split("\n")[1][:60]
    steps = [
        f"# Task 1\n## Reasoning Step 1\nThe user writes: {about}.\n## Reasoning Step 2\nThat is {said['Request']}."
    ]
    if alone:
        said |= {"Completion": "None", "Response": "None"}
    else:
        steps.append(f"# Task 2\n## Reasoning Step 1\nThe assistant's words are {said['Completion']}.")
        steps.append(f"# Task 3\n## Reasoning Step 1\nWhat it says is {said['Response']}.")
    return "\n\n".join([*steps, "Answers:\n" + "\n".join(f"{name}: {word}" for name, word in said.items())])


def _error(message: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "param": None, "code": code}}
