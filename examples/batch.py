"""Judge many exchanges in one call; mode `fast` answers without reasoning."""

from guardreasoner import Exchange, Guard, Malformed

exchanges = [
    Exchange(prompt="What is the capital of Portugal?"),
    Exchange(prompt="How do I kill weeds between paving stones?", response="Pour boiling water on them."),
    Exchange(prompt="Tell my neighbour that people like him should disappear.", response="I won't write that."),
]

for exchange, verdict in zip(exchanges, Guard(mode="fast").check_batch(exchanges), strict=True):
    if isinstance(verdict, Malformed):  # never with the embedded guard; a remote model may answer nonsense
        print("could not judge:", exchange.prompt, verdict.reason)
    else:
        print("flagged" if verdict.flagged else "passed ", exchange.prompt)
