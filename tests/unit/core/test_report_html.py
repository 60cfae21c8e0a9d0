"""One HTML file tells all about a run, needs nothing else, and trusts nothing."""

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest
from PIL import Image as Pictures
from report_samples import (
    THINGS,
    Store,
    Thing,
    graph_step,
    one_step_graph,
    picture,
    state,
    task_run,
    things_run,
)

from taskmgr_core.errors import ArtifactError
from taskmgr_core.report.html import render_report, write_report
from taskmgr_core.report.theme import ITEM_COLOURS, rgb
from taskmgr_core.specs import Failure, Graph, RunDetail, Source
from taskmgr_plugins.schemas import schema_of

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>&\x00"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """A page taken apart, refusing tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attributes):
        """Keep it; remember what has to be closed."""
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """Keep it."""
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag):
        """It must close what was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data):
        """Keep the text."""
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]


def gone(digest: str) -> Path:
    """A store that has lost everything."""
    raise ArtifactError(f"{digest} is not stored here")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with room for pictures."""
    return Store(tmp_path)


@pytest.fixture
def detail(store: Store, tmp_path: Path) -> RunDetail:
    """A run that succeeded on a stored picture."""
    return things_run(store.add(picture(tmp_path)))


def failed(detail: RunDetail, failure: Failure) -> RunDetail:
    """The run as it would be, had its second step failed and the first needed two attempts."""
    steps = (
        attrs.evolve(detail.steps[0], attempt=2, failures=(Failure("crashed", "signal 9"),)),
        attrs.evolve(detail.steps[1], status="failed", failure=failure),
    )
    return attrs.evolve(
        detail,
        run=attrs.evolve(detail.run, status="failed", failure=failure),
        steps=steps,
        result=None,
    )


def test_report_is_one_file(detail, store, tmp_path):
    """The report is written where it was asked for, in a folder made for it."""
    target = write_report(detail, store.open, tmp_path / "new" / "report.html")
    page = Page(target.read_text(encoding="utf-8"))
    assert "things" in "".join(page.text)
    assert detail.run.id in "".join(page.text)


def test_report_needs_nothing_else(detail, store):
    """No element refers to anything but the page itself and data inside it."""
    page = Page(render_report(detail, store.open))
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
        assert "url(" not in attributes.get("style", "")
        assert not [name for name in attributes if name.startswith("on")]
    assert not {"script", "link", "iframe", "object", "base", "form"} & {
        tag for tag, _ in page.elements
    }
    assert "http://" not in "".join(page.text)
    assert "@import" not in "".join(page.text)


def test_policy_forbids_everything_external(detail, store):
    """The page's own policy allows no origin and no script."""
    metas = Page(render_report(detail, store.open)).all("meta")
    (policy,) = [
        meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_picture_is_embedded_with_its_marks(detail, store):
    """The picture in the page has the boxes drawn on it, and words for who cannot see it."""
    (image,) = Page(render_report(detail, store.open)).all("img")
    content = base64.b64decode(image["src"].partition(",")[2])
    with Pictures.open(io.BytesIO(content)) as opened:
        drawn = opened.convert("RGB")
    scale = drawn.width / 200
    assert drawn.getpixel((round(20 * scale) + 1, round(55 * scale))) == rgb(ITEM_COLOURS[0])
    assert image["alt"] == "The picture picture.png with 2 boxes, 4 points: 93%; 50%"


def test_photograph_is_brought_to_a_handy_size(store, tmp_path):
    """A large JPEG is embedded as a JPEG of at most 1600 pixels."""
    path = tmp_path / "large.jpg"
    Pictures.new("RGB", (3000, 2000), "gray").save(path)
    (image,) = Page(render_report(things_run(store.add(path, "image/jpeg")), store.open)).all("img")
    assert image["src"].startswith("data:image/jpeg;base64,")
    assert (image["width"], image["height"]) == ("1600", "1067")


def test_picture_without_marks_is_shown(store, tmp_path):
    """A run that found nothing still shows what it looked at."""
    image = store.add(picture(tmp_path))
    graph = one_step_graph(schema_of(list[Thing]))
    detail = task_run(graph, {"image": image, "output_001_out": []}, {"out": []})
    (shown,) = Page(render_report(detail, store.open)).all("img")
    assert (shown["alt"], shown["width"]) == ("The picture picture.png", "200")


def test_lost_picture_is_named(detail):
    """Where the artifact is gone the report says so and has everything else."""
    text = "".join(Page(render_report(detail, gone)).text)
    assert "cannot be shown" in text
    assert "is not stored here" in text
    assert "output_002_shapes" in text


def test_failed_run_without_picture_reports(detail):
    """A run that failed shows what, where, why and after how many attempts."""
    failure = Failure("task-error", "no ink left", "Traceback: line 3", {"exit_status": "1"})
    page = Page(render_report(failed(detail, failure), gone))
    text = " ".join("".join(page.text).split())
    for said in ("no ink left", "Traceback: line 3", "exit status", "attempt 1, tried again"):
        assert said in text
    assert text.count("no ink left") == 1
    assert "failures" in {attributes.get("id") for attributes in page.all("section")}
    assert "result" not in {attributes.get("id") for attributes in page.all("section")}


@pytest.mark.parametrize("status", ["running", "cancelled"])
def test_unfinished_run_reports(detail, store, status):
    """A run in any state can be reported, with steps that never began."""
    steps = (
        detail.steps[0],
        attrs.evolve(
            state(detail.run.graph.steps[1], 0, 0),
            status="ready" if status == "running" else "cancelled",
            ready_at=None,
            started_at=None,
            finished_at=None,
            seconds={},
            worker="",
        ),
    )
    run = attrs.evolve(detail.run, status=status, finished_at=None, cancel_requested=True)
    page = Page(render_report(attrs.evolve(detail, run=run, steps=steps, result=None), store.open))
    assert "not finished" in "".join(page.text)


def test_run_that_waits_has_no_axis_of_times(detail, store):
    """Nothing took any time yet, and the page says so."""
    never = {"ready_at": None, "started_at": None, "finished_at": None, "seconds": {}}
    steps = [attrs.evolve(each, status="pending", **never) for each in detail.steps]
    run = attrs.evolve(detail.run, status="running", finished_at=None)
    waiting = attrs.evolve(detail, run=run, steps=tuple(steps), result=None)
    page = Page(render_report(waiting, store.open))
    assert "No step has begun." in "".join(page.text)
    assert "in all, steps one after the other" not in "".join(page.text)


def test_run_of_nothing_reports():
    """The least there can be, a run without steps, values or result, is a page."""
    empty = task_run(Graph("empty", {}, (), {}, (), {}), {}, {})
    assert "The result is empty" in "".join(Page(render_report(empty, gone)).text)


def test_hostile_texts_stay_texts(store, tmp_path):
    """Markup in names, values, labels, failures and files is shown and never obeyed."""
    image = {**store.add(picture(tmp_path)), "name": HOSTILE}
    things = [
        {**THINGS[0], "thing_id": HOSTILE},
        {HOSTILE: {HOSTILE: HOSTILE}},
        {"\ud800": "\ud800"},
    ]
    step = graph_step(HOSTILE, HOSTILE, {"image": Source("image")}, ("out",))
    graph = attrs.evolve(
        one_step_graph(schema_of(list[Thing])),
        name=HOSTILE,
        steps=(step,),
        result={HOSTILE: f"output_{HOSTILE}_out"},
    )
    schemas = {**graph.schemas, f"output_{HOSTILE}_out": schema_of(list[Thing])}
    graph = attrs.evolve(graph, schemas=schemas)
    plain = task_run(
        graph, {"image": image, f"output_{HOSTILE}_out": "x", HOSTILE: 1}, {HOSTILE: things}
    )
    failure = Failure(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE})
    steps = tuple(
        attrs.evolve(each, failure=failure, failures=(failure,), worker=HOSTILE, version=HOSTILE)
        for each in plain.steps
    )
    run = attrs.evolve(plain.run, failure=attrs.evolve(failure, message="other" + HOSTILE))
    written = render_report(attrs.evolve(plain, steps=steps, run=run), store.open)
    page = Page(written)
    assert not page.all("script")
    assert [each["src"][:11] for each in page.all("img")] == ["data:image/"]
    assert not [name for _, attributes in page.elements for name in attributes if name[:2] == "on"]
    assert "\x00" not in written
    written.encode()


def test_headings_and_tables_are_marked_up(detail, store):
    """Every section has a heading, tables have heads with scopes, regions can be focused."""
    page = Page(render_report(detail, store.open))
    headings = {each["id"] for each in page.all("h2")}
    assert {each["aria-labelledby"] for each in page.all("section")} == headings
    assert len(page.all("h1")) == 1
    assert all("scope" in each for each in page.all("th"))
    assert all(
        each.get("tabindex") == "0" and each["aria-label"]
        for each in page.all("div")
        if each.get("class") == "scroll"
    )
    targets = {attributes.get("id") for _, attributes in page.elements}
    assert {each["href"][1:] for each in page.all("a")} <= targets


def test_lineage_says_what_was_made_from_what(detail, store):
    """Each value's row links to the rows of what it was made from."""
    written = render_report(detail, store.open)
    rows = [each["id"] for each in Page(written).all("tr") if "id" in each]
    assert len(rows) == len(detail.values)
    row = written.partition("<code>output_001_things</code></th>")[2].partition("</tr>")[0]
    assert "<code>input_001_image</code></a>" in row


def test_same_run_gives_the_same_report(detail, store):
    """Nothing of the moment or the machine goes into a report."""
    assert render_report(detail, store.open) == render_report(detail, store.open)


def test_deeply_nested_value_is_reported(store, tmp_path):
    """A value nested as deep as JSON is read does not stop the report."""
    deep = json.loads("[" * 400 + "]" * 400)
    image = store.add(picture(tmp_path))
    detail = task_run(one_step_graph({}), {"image": image}, {"out": [{"deep": deep}]})
    assert "1 entry" in "".join(Page(render_report(detail, store.open)).text)
