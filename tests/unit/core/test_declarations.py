"""What tasks declare is checked before they are registered."""

from typing import Any, Literal

import attrs
import pytest
from pipeline_examples import defaulted, version_of

from taskmgr_core.errors import PublishError
from taskmgr_core.publishing.declarations import check_declarations
from taskmgr_core.specs import TaskSpec
from taskmgr_plugins import Image


def task(annotation: Any = float, default: Any = 0.5, queue: str = "default") -> TaskSpec:
    """A task with one input that has a default."""
    return version_of("find", (defaulted("given", annotation, default),), (), queue=queue).task


@pytest.mark.parametrize(
    ("annotation", "default", "told"),
    [
        (float, "high", 'given: "high" does not fit number'),
        (int, None, "given: null does not fit integer"),
        (list[int], [1, "2"], 'given[1]: "2" does not fit integer'),
        (Literal["fast", "exact"], "slow", 'given: "slow" is not '),
        (Image, "photo.jpg", 'given: "photo.jpg" does not fit Image'),
    ],
)
def test_default_that_does_not_fit_is_refused(annotation: Any, default: Any, told: str) -> None:
    """A default is checked against the schema, as a given value would be."""
    with pytest.raises(PublishError) as caught:
        check_declarations([task(annotation, default)])
    assert f"the task find has a default that does not fit: {told}" in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "default"), [(float, 1), (int | None, None), (Image | None, None)]
)
def test_default_that_fits_is_taken(annotation: Any, default: Any) -> None:
    """A whole number is a number; an optional file may be left out."""
    check_declarations([task(annotation, default)])


def test_all_that_is_wrong_is_told_at_once() -> None:
    """The queue of an SDK that checks less is refused, too, with the default of the other task."""
    with pytest.raises(PublishError) as caught:
        check_declarations([task(queue="a,b"), task(default="x")])
    assert "the task find declares a queue 'a,b': allowed are" in str(caught.value)
    assert "has a default that does not fit" in str(caught.value)


def test_cache_and_limits_that_cannot_be_are_refused() -> None:
    """Whatever SDK the plugin chose, the platform checks what it goes by; all is told at once."""
    wrong = attrs.evolve(task(), cache="always", max_concurrent=-1, rate="10 per second")
    with pytest.raises(PublishError) as caught:
        check_declarations([wrong])
    said = str(caught.value)
    assert "declares a cache 'always': allowed is 'by-inputs', or '' for none" in said
    assert "declares a max_concurrent -1: allowed is a whole number from 0" in said
    assert "declares a rate '10 per second': allowed is" in said
