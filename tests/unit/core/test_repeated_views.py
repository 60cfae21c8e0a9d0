"""How often a step was run, in the views that show the steps of a run."""

from pathlib import Path

import attrs
from report_samples import things_run

from taskmgr_core.errors import ArtifactError
from taskmgr_core.report.html import render_report
from taskmgr_core.specs import FailedElement, FailedElements, Failure, Step


def open_nothing(digest: str) -> Path:
    """No artifact is there."""
    raise ArtifactError(digest)


def test_tries_are_those_of_the_whole_step() -> None:
    """To begin and to gather are two claims, which are one try."""
    once = Step("r", "1", "t", "1.0", "default", 5, "succeeded", attempt=2)
    assert once.tries == 2
    split = attrs.evolve(once, elements=7)
    assert (split.tries, attrs.evolve(split, attempt=1).tries) == (1, 1)
    assert attrs.evolve(split, attempt=3).tries == 2


def test_report_says_how_often() -> None:
    """Beside the status of a loop stands how many iterations it had."""
    detail = things_run({"$artifact": "sha256:1", "size": 3})
    first, *others = detail.steps
    steps = (attrs.evolve(first, elements=12, attempt=2), *others)
    page = render_report(attrs.evolve(detail, steps=steps), open_nothing)
    assert '<span class="muted">12 times</span></td><td class="number">1</td>' in page
    assert page.count(" times</span>") == 1


def test_report_tells_of_failed_elements() -> None:
    """Of a step that bore them as well: how many, and of the first which one and why."""
    detail = things_run({"$artifact": "sha256:1", "size": 3})
    first, *others = detail.steps
    failed = FailedElements(2, (FailedElement(7, Failure("task-error", "seven is bad")),))
    steps = (attrs.evolve(first, elements=12, failed=failed), *others)
    page = render_report(attrs.evolve(detail, steps=steps), open_nothing)
    assert '<span class="muted">12 times, 2 failed</span>' in page
    assert '<span class="muted">element 7 (12 elements, 2 failed)</span>' in page
    assert "seven is bad" in page
