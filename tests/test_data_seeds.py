"""The converters of the seed sets, on rows of our own in each raw layout."""

from __future__ import annotations

from typing import Any

import pytest
from seed_rows import AEGIS, BEAVERTAILS, TOXICCHAT, WILDGUARD, aegis

from guardreasoner.data.seeds import SEEDS, difference, seed_of
from guardreasoner.errors import InputError
from guardreasoner.types import Exchange, Labels, Sample


def converted(name: str, row: dict[str, Any], **changed: Any) -> Sample:
    made = seed_of(name).convert({**row, **changed}, 7)
    assert isinstance(made, Sample), made
    return made


def left_out(name: str, row: dict[str, Any], **changed: Any) -> str:
    made = seed_of(name).convert({**row, **changed}, 7)
    assert isinstance(made, str)
    return made


def test_table_has_the_four_sets_of_the_paper() -> None:
    assert {seed.name: seed.taken for seed in SEEDS} == {
        "WildGuardTrain": 86_759,
        "AegisTrain": 10_798,
        "BeaverTails": 27_186,
        "ToxicChat": 2_801,
    }
    assert sum(seed.taken for seed in SEEDS) == 127_544


def test_only_wildguard_is_gated() -> None:
    assert [seed.hub for seed in SEEDS if seed.gated] == ["allenai/wildguardmix"]


def test_every_set_is_pinned_to_a_commit() -> None:
    assert {len(seed.revision) for seed in SEEDS} == {40}


def test_unknown_set_is_one_sentence() -> None:
    with pytest.raises(InputError, match="unknown seed set 'Wild', expected WildGuardTrain, AegisTrain, BeaverTails"):
        seed_of("Wild")


def test_other_number_of_rows_is_said() -> None:
    assert difference(seed_of("ToxicChat"), 5082, 2801) is None
    assert difference(seed_of("ToxicChat"), 5000, 2700) == (
        "found 2,700 usable of 5,000 rows, the paper's set has 2,801 of 5,082"
    )


def test_wildguard_row_keeps_its_three_labels() -> None:
    assert converted("WildGuardTrain", WILDGUARD[0]) == Sample(
        id="WildGuardTrain-7",
        source="WildGuardTrain",
        exchange=Exchange(prompt="How do I bake bread?", response="Mix flour, water, salt and yeast."),
        labels=Labels(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful"),
    )


def test_request_alone_gets_no_response_label() -> None:
    made = converted("WildGuardTrain", WILDGUARD[1])
    assert (made.exchange.response, made.labels) == (None, Labels(prompt_harmfulness="harmful"))


def test_null_label_stays_none() -> None:
    assert converted("WildGuardTrain", WILDGUARD[2]).labels == Labels(response_refusal="refusal")


@pytest.mark.parametrize("response", ["", "  \n", None, float("nan")])
def test_blank_response_is_none(response: object) -> None:
    assert converted("WildGuardTrain", WILDGUARD[0], response=response).exchange.response is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"prompt": None}, "no prompt"),
        ({"prompt": " "}, "no prompt"),
        ({"prompt": 3}, "a prompt or response that is not text"),
        ({"prompt": "\ud83d"}, "not valid Unicode"),
        ({"prompt_harm_label": "bad"}, "unknown prompt_harmfulness label 'bad'"),
    ],
)
def test_row_that_cannot_be_used_says_why(changed: dict[str, Any], reason: str) -> None:
    assert left_out("WildGuardTrain", WILDGUARD[0], **changed) == reason


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        (("Safe", "Safe", "Safe"), "unharmful"),
        (("Safe", "Safe", "Violence"), "unharmful"),
        (("Safe", "Violence", "Threat"), "harmful"),  # they disagree on the category, not on the harm
        (("Safe", "Needs Caution", "Needs Caution"), "harmful"),
        (("Safe", "Safe", "Needs Caution"), "unharmful"),
        (("Safe", "Safe", "Other", "Other"), "harmful"),
        (("Safe, Needs Caution", "Safe"), "harmful"),
        (("Safe", "None", ""), "unharmful"),
        (("Profanity",), "harmful"),
    ],
)
def test_aegis_label_is_the_vote_of_the_annotators(votes: tuple[str, ...], label: str) -> None:
    made = converted("AegisTrain", aegis("What a day!", *votes))
    assert made.labels == Labels(prompt_harmfulness=label)  # type: ignore[arg-type]


def test_aegis_row_without_a_vote_is_left_out() -> None:
    assert left_out("AegisTrain", aegis("What a day!", None, "None")) == "no annotation"


@pytest.mark.parametrize("text_type", ["user_message", "llm_response", "combined", "multi_turn"])
def test_aegis_text_of_every_type_is_the_request(text_type: str) -> None:
    made = converted("AegisTrain", aegis("How are you?\n\nFine, thanks.", "Safe", text_type=text_type))
    assert made.exchange == Exchange(prompt="How are you?\n\nFine, thanks.")
    assert made.labels == Labels(prompt_harmfulness="unharmful")


def test_aegis_rows_with_one_upstream_id_have_two_ids_here() -> None:
    made = [seed_of("AegisTrain").convert(row, number) for number, row in enumerate(AEGIS, 1)]
    assert [each.id for each in made if isinstance(each, Sample)] == ["AegisTrain-1", "AegisTrain-2"]


def test_beavertails_has_the_response_label_alone() -> None:
    assert [converted("BeaverTails", row).labels for row in BEAVERTAILS] == [
        Labels(response_harmfulness="harmful"),
        Labels(response_harmfulness="unharmful"),
    ]


def test_beavertails_row_without_a_response_teaches_nothing() -> None:
    assert left_out("BeaverTails", BEAVERTAILS[0], response="") == "no response"


def test_beavertails_flag_must_be_one() -> None:
    assert left_out("BeaverTails", BEAVERTAILS[0], is_safe=None) == "unknown is_safe 'None'"


@pytest.mark.parametrize(("toxicity", "label"), [(0, "unharmful"), ("1", "harmful"), (1.0, "harmful")])
def test_toxicchat_request_is_labelled_and_the_answer_left_away(toxicity: object, label: str) -> None:
    made = converted("ToxicChat", TOXICCHAT[0], toxicity=toxicity, human_annotation="True")
    assert (made.exchange.response, made.labels.prompt_harmfulness) == (None, label)


def test_toxicchat_row_that_no_person_annotated_is_left_out() -> None:
    assert left_out("ToxicChat", TOXICCHAT[2]) == "no human annotation"
    assert left_out("ToxicChat", TOXICCHAT[0], human_annotation="False") == "no human annotation"
