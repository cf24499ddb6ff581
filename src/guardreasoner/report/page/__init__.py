"""From an evaluation and its rows to one self-contained HTML page, and from two of them to a page of their differences.

The tree is built and written by the standard library's ElementTree, which escapes every text and attribute: there is no
way to put markup in from a row. A template library would add a dependency to the base install for the same pages, and
its templates are not type-checked.
"""

from guardreasoner.report.page.content import Content
from guardreasoner.report.page.pages import compare_page, evaluation_page

__all__ = ["Content", "compare_page", "evaluation_page"]
