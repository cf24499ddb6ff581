"""A chat teacher with a language model behind it: a tiny random one, whose text nobody can read."""

import json
from collections.abc import Iterator

import pytest
from servers.process import serving
from teaching import Job, sample
from tiny import make_tiny_checkpoint

pytest.importorskip("openai")
pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from servers.tiny_gguf import write_gguf

    folder = tmp_path_factory.mktemp("llama")
    checkpoint = make_tiny_checkpoint(folder / "tiny")
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    model = write_gguf(checkpoint, folder / "tiny.gguf")
    with serving("llama_server.py", str(model), "2048", folder=folder) as found:
        yield found


@pytest.fixture(scope="module")
def job(address: str, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Eight samples, and one that is longer than the model's context."""
    job = Job(tmp_path_factory.mktemp("job"), address, rows=8, teacher="max_tokens = 24")
    long = sample(8)
    long["exchange"]["prompt"] = "How do I bake bread? " * 2000
    with (job.folder / "samples.jsonl").open("a") as file:
        file.write(json.dumps(long) + "\n")
    assert job.run() == 0
    return job


def test_every_sample_has_an_outcome(job: Job) -> None:
    assert sorted(job.outcomes) == [f"row-{number}" for number in range(9)]
    assert {outcome for id, outcome in job.outcomes.items() if id != "row-8"} <= {"answered", "cut"}


def test_the_model_wrote_text_and_its_tokens_were_counted(job: Job) -> None:
    answers = [answer for answer in job.answers if answer["id"] != "row-8"]
    assert all(answer["text"] for answer in answers)
    assert all(0 < answer["completion_tokens"] <= 24 for answer in answers)
    assert all(answer["prompt_tokens"] > 300 for answer in answers)


def test_text_that_nobody_can_read_is_not_taught(job: Job) -> None:
    assert job.taught == []


def test_a_sample_longer_than_the_context_failed_with_the_servers_words(job: Job) -> None:
    (answer,) = [answer for answer in job.answers if answer["id"] == "row-8"]
    assert answer["outcome"] == "failed"
    assert "context" in answer["detail"]
