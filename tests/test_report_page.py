"""The HTML page: what stands in it, that nothing in a row can act, and that it needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from guardreasoner.data.leaks import find_leak
from guardreasoner.data.published import benchmark_sizes, published
from guardreasoner.report.cells import evaluation
from guardreasoner.report.evaluation import tables
from guardreasoner.report.judged import Judged, cell_of, thought
from guardreasoner.report.page import Content, compare_page, evaluation_page
from guardreasoner.report.page.rows import MOST_CHARACTERS, MOST_PER_KIND
from guardreasoner.report.page.strips import MARKS
from guardreasoner.report.reasoning import quality
from guardreasoner.types import Exchange, Labels, Mode, Scores, Task

TASK = Task.PROMPT_HARMFULNESS
NASTY = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "</pre></details></script><svg/onload=alert(3)>",
    '" autofocus onfocus="alert(4)" x=\'',
    "]]><!--<script>-->&lt;b&gt; &amp; \x00\x1b\ud800\r\n<a href=javascript:alert(5)>",
)
VOID = {"meta", "br", "input", "link", "img", "hr"}


class Page(HTMLParser):
    """What a parser makes of a page: elements in order, with attributes and text; nesting must be right."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def row(number: int, gold: str, said: str | None, text: str = "Hello?", score: float = 0.9) -> Judged:
    exchange = Exchange(prompt=text)
    answer = None if said is None else Labels.model_validate({TASK.value: said})
    return Judged(
        id=str(number),
        source="toxic",
        digest=exchange.digest if text.isprintable() else "0",
        exchange=exchange,
        gold=Labels.model_validate({TASK.value: gold}),
        labels=answer,
        scores=None if said is None else Scores(prompt_harmfulness=score),
        reasoning="Request: no alarming word. It asks for no harm.",
        seconds=0.01,
        problem=None if said else "no answer block",
    )


def content(rows: list[Judged], model: str = "guard", mode: Mode = "reason", benchmark: str = "ToxicChat") -> Content:
    found = quality((thought(each, 9) for each in rows), find_leak)
    cell = cell_of(benchmark, TASK, mode, rows, reasoning=found)
    made = evaluation(model, [cell], benchmark_sizes())
    return Content(made, {(benchmark, TASK, mode): rows}, published(), benchmark_sizes())


ROWS = [
    row(1, "harmful", "harmful"),
    row(2, "harmful", "unharmful", "a miss", 0.1),
    row(3, "unharmful", "harmful", "a false alarm"),
    row(4, "unharmful", None, "no answer"),
    row(5, "unharmful", "unharmful", "quiet", 0.2),
]


@pytest.fixture(scope="module")
def page() -> str:
    return evaluation_page(content(ROWS))


def test_page_parses_and_every_element_is_closed(page: str) -> None:
    assert Page(page).elements[0] == ("html", {"lang": "en"})


def test_figures_are_those_of_the_other_reports(page: str) -> None:
    cells = set(Page(page).texts["td"]) | set(Page(page).texts["th"])
    for table in tables(content(ROWS).evaluation):
        assert [text for line in table for text in line if text not in cells] == []


def test_every_method_of_the_paper_stands_beside_this_guard(page: str) -> None:
    named = set(Page(page).texts["th"])
    methods = {
        each.method if each.size is None else f"{each.method} ({each.size})"
        for each in published()
        if each.task is TASK
    }
    assert methods | {"guard, reason"} <= named


def test_every_published_figure_of_the_set_is_a_mark_of_the_forest(page: str) -> None:
    figures = [each for each in published() if (each.task, each.benchmark) == (TASK, "ToxicChat")]
    marks = [text for text in Page(page).texts["title"] if re.search(r" \d+\.\d\d$", text)]
    own = [text for text in marks if text.startswith(("this guard", "flags everything"))]
    assert len(marks) - len(own) == len(figures)
    assert "GuardReasoner 8B 78.79" in marks


def test_three_wrong_rows_are_entries_and_the_right_ones_are_not(page: str) -> None:
    kinds = [each["data-kinds"] for each in Page(page).all("details")]
    assert sorted(map(str, kinds)) == ["false alarm: reason", "missed: reason", "unreadable: reason"]


def test_texts_are_folded(page: str) -> None:
    assert [each for each in Page(page).all("details") if "open" in each] == []


def test_text_of_a_row_that_is_labelled_harmful_stands_inside_the_fold_alone(page: str) -> None:
    summaries = " ".join(Page(page).texts["summary"])
    assert ("a miss" in summaries, "a false alarm" in summaries) == (False, True)


def test_page_has_a_content_note(page: str) -> None:
    assert "Unfold one only if you want to read it." in page


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    found = Page(page)
    assert [tag for tag, _ in found.elements if tag in ("link", "img", "iframe", "object", "embed", "base")] == []
    assert [each["href"] for each in found.all("a") if not str(each["href"]).startswith("#")] == []
    assert [each for _, each in found.elements if "src" in each or "style" in each] == []
    assert "@import" not in page
    assert "url(" not in page


def test_policy_names_the_hash_of_the_one_script_and_of_the_one_style(page: str) -> None:
    found = Page(page)
    policy = next(str(each["content"]) for each in found.all("meta") if "http-equiv" in each)
    for tag in ("script", "style"):
        (text,) = found.texts[tag]
        hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("nasty", NASTY)
def test_text_of_a_row_adds_no_element_and_no_attribute(nasty: str) -> None:
    plain, hostile = (
        Page(evaluation_page(content([row(1, "unharmful", "harmful", text).model_copy(update={"reasoning": text})])))
        for text in ("plain", nasty)
    )
    assert [(tag, set(each)) for tag, each in hostile.elements] == [(tag, set(each)) for tag, each in plain.elements]


@pytest.mark.parametrize("nasty", NASTY[:3])
def test_names_are_escaped_too(nasty: str) -> None:
    plain, hostile = (
        Page(evaluation_page(content([row(1, "unharmful", "harmful")], model=name, benchmark=name)))
        for name in ("plain", nasty)
    )
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]


def test_text_is_shown_as_it_was_written() -> None:
    shown = Page(evaluation_page(content([row(1, "harmful", "unharmful", NASTY[0])]))).texts["pre"]
    assert NASTY[0] in shown


def test_page_can_be_written_whatever_a_row_holds() -> None:
    evaluation_page(content([row(1, "harmful", "unharmful", NASTY[3])])).encode("utf-8")


def test_errors_beyond_the_cap_are_counted() -> None:
    many = [row(number, "harmful", "unharmful", f"text {number}") for number in range(MOST_PER_KIND + 50)]
    page = evaluation_page(content(many))
    assert len(Page(page).all("details")) == MOST_PER_KIND
    assert "100 of 150 errors are shown" in page


def test_cap_keeps_what_the_guard_was_most_certain_of() -> None:
    many = [row(number, "harmful", "unharmful", f"text {number}", score=number / 1000) for number in range(150)]
    shown = Page(evaluation_page(content(many))).texts["pre"]
    assert ("text 0" in shown, "text 149" in shown) == (True, False)


def test_middle_of_a_long_text_is_left_out_and_said_so() -> None:
    page = evaluation_page(content([row(1, "harmful", "unharmful", "a" * MOST_CHARACTERS + "b" * 1000)]))
    assert "1,000 characters left out here" in page


def test_seven_thousand_rows_make_a_page_of_a_few_megabytes() -> None:
    rows = [row(n, "harmful", "unharmful" if n % 3 else "harmful", f"{n} " + "word " * 400) for n in range(7000)]
    assert len(evaluation_page(content(rows)).encode()) < 1_000_000


def test_every_table_has_a_caption_and_headings_with_a_scope(page: str) -> None:
    found = Page(page)
    assert len(found.all("caption")) == len(found.all("table"))
    assert {each.get("scope") for each in found.all("th")} == {"col", "row"}


def test_every_drawing_that_is_no_decoration_has_a_name(page: str) -> None:
    drawn = [each for each in Page(page).all("svg") if "overflow" not in each and "aria-hidden" not in each]
    assert [each for each in drawn if each.get("role") != "img" or not each.get("aria-label")] == []


def test_ids_are_unique_and_every_link_has_its_place(page: str) -> None:
    ids = [each["id"] for _, each in Page(page).elements if "id" in each]
    assert len(ids) == len(set(ids))
    assert {str(each["href"])[1:] for each in Page(page).all("a")} <= set(ids)


def test_without_scores_there_are_no_curves() -> None:
    rows = [each.model_copy(update={"scores": None}) for each in ROWS]
    assert "Thresholds and calibration" not in evaluation_page(content(rows))


def test_every_size_has_its_own_sign() -> None:
    assert len(set(MARKS.values())) == 3


def ways(page: str) -> Iterator[str]:
    return (str(each["data-kinds"]) for each in Page(page).all("details"))


def test_compared_guards_are_shown_where_they_differ() -> None:
    other = [ROWS[0], row(2, "harmful", "harmful", "a miss"), *ROWS[2:]]
    page = compare_page(content(ROWS, "one"), content(other, "two"))
    assert list(ways(page)) == ["missed: one|the answers differ"]
    assert "5 checks that both made, 1 answered differently" in page


def test_reasoning_of_both_stands_side_by_side() -> None:
    theirs = row(2, "harmful", "harmful", "a miss").model_copy(update={"reasoning": "Their thought."})
    page = Page(compare_page(content(ROWS, "one"), content([theirs], "two")))
    assert page.texts["pre"] == ["a miss", "Request: no alarming word. It asks for no harm.", "Their thought."]


def test_guards_of_one_name_are_told_apart() -> None:
    page = compare_page(content(ROWS), content([row(2, "harmful", "harmful", "a miss")]))
    assert list(ways(page)) == ["missed: guard (A)|the answers differ"]


def test_rows_of_another_text_are_not_compared() -> None:
    page = compare_page(content(ROWS, "one"), content([row(2, "harmful", "harmful", "another text")], "two"))
    assert "0 checks that both made" in page


def test_modes_are_compared_where_they_are_all_there_is() -> None:
    fast = content([row(2, "harmful", "harmful", "a miss")], "two", mode="fast")
    assert "1 checks that both made, 1 answered differently" in compare_page(content(ROWS, "one"), fast)


def test_refusal_to_judge_is_told_from_what_cannot_be_read() -> None:
    refused = row(1, "harmful", None).model_copy(update={"refused": True, "problem": "the model declined"})
    page = Page(evaluation_page(content([refused, row(2, "harmful", None)])))
    assert [text for text in page.texts["strong"] if text.endswith(": ")] == ["Refused: ", "Unreadable: "]


def test_words_without_an_answer_are_shown() -> None:
    mute = row(1, "harmful", None, "a text").model_copy(update={"reasoning": None, "text": "I would rather sing."})
    assert Page(evaluation_page(content([mute]))).texts["pre"] == ["a text", "I would rather sing."]
