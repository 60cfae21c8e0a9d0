"""Task versions and pipelines, in every metadata store."""

from collections.abc import Callable, Sequence

import attrs
import pytest
from samples import pipeline_spec, task_version

from taskmgr_core.errors import ConflictError, NotFoundError
from taskmgr_core.specs import Choice, Route, Signature, TaskVersion
from taskmgr_core.stores.metadata import MetadataStore

# tasks


def test_versions_are_read_back_as_they_were(metadata: MetadataStore) -> None:
    """A recorded version is given back whole: schemas, release and files."""
    version = task_version()
    assert metadata.add_versions([version]) is True
    assert metadata.version("echo", "1.0") == version


def test_versions_recorded_again_change_nothing(metadata: MetadataStore) -> None:
    """Publishing the same wheel, lock and models once more says False, and there is one version."""
    metadata.add_versions([task_version()])
    assert metadata.add_versions([task_version()]) is False
    assert metadata.versions("echo") == [task_version()]


def test_versions_of_a_larger_release_are_added(metadata: MetadataStore) -> None:
    """Of several versions those are recorded that are not there yet, and that counts as change."""
    metadata.add_versions([task_version("echo")])
    assert metadata.add_versions([task_version("echo"), task_version("shout")]) is True
    assert metadata.version("shout") == task_version("shout")


@pytest.mark.parametrize("part", ["wheel", "lock", "model"])
def test_version_with_other_content_is_refused(metadata: MetadataStore, part: str) -> None:
    """The same version with another wheel, lock or model is a conflict, with the cure."""
    metadata.add_versions([task_version()])
    with pytest.raises(ConflictError, match=r"taskmgr-echo 1\.0 .* other content.*raise the ver"):
        metadata.add_versions([task_version(**{part: "other"})])
    assert metadata.version("echo", "1.0") == task_version()


def test_version_published_with_another_sdk_gets_that(metadata: MetadataStore) -> None:
    """Of the same wheel, lock and models with another SDK, the SDK alone is new, and said to be."""
    metadata.add_versions([task_version("echo"), task_version("shout")])
    later = [published_later(task_version(each, sdk="newer")) for each in ("echo", "shout")]
    assert metadata.add_versions(later) is True
    for each in ("echo", "shout"):
        assert metadata.versions(each) == [task_version(each, sdk="newer")]
    assert metadata.add_versions(later) is False


def test_version_published_with_another_python_gets_that(metadata: MetadataStore) -> None:
    """The Python that a version runs in is renewed like its SDK: a lock is for every Python."""
    metadata.add_versions([task_version()])
    other = attrs.evolve(
        task_version(), release=attrs.evolve(task_version().release, python="3.14")
    )
    assert metadata.add_versions([published_later(other)]) is True
    assert metadata.version("echo") == other
    assert metadata.add_versions([other]) is False


def signed(version: TaskVersion, value: str = "c2lnbmVk") -> TaskVersion:
    """The version with a signature; no store knows what one is worth."""
    return attrs.evolve(version, signature=Signature("0123456789abcdef", value))


def test_signature_is_read_back(metadata: MetadataStore) -> None:
    """A signed version is given back with its signature; recorded again it changes nothing."""
    version = signed(task_version())
    assert metadata.add_versions([version]) is True
    assert metadata.version("echo") == version
    assert metadata.add_versions([version]) is False


def test_signature_is_added_to_what_had_none(metadata: MetadataStore) -> None:
    """What was published unsigned is the same content when it is signed: it is recorded anew."""
    metadata.add_versions([task_version("echo"), task_version("shout")])
    assert metadata.add_versions([signed(task_version("echo"))]) is True
    assert metadata.versions("echo") == [signed(task_version("echo"))]
    assert metadata.versions("shout") == [task_version("shout")]


def test_signed_version_is_recorded_as_it_was_signed(metadata: MetadataStore) -> None:
    """With another signature everything of a version is new, the moment of publishing too."""
    metadata.add_versions([signed(task_version())])
    later = signed(published_later(task_version(sdk="newer")), "b3RoZXI=")
    assert metadata.add_versions([later]) is True
    assert metadata.version("echo") == later


def test_signature_outlives_what_is_published_unsigned(metadata: MetadataStore) -> None:
    """The same published without a key keeps its signature, if nothing is new that it covers."""
    metadata.add_versions([signed(task_version())])
    assert metadata.add_versions([published_later(task_version())]) is False
    assert metadata.version("echo") == signed(task_version())
    assert metadata.add_versions([task_version(sdk="newer")]) is True
    assert metadata.version("echo") == task_version(sdk="newer")


def test_signed_version_with_other_content_is_refused(metadata: MetadataStore) -> None:
    """A signature does not make another wheel the same version."""
    metadata.add_versions([task_version()])
    with pytest.raises(ConflictError, match="other content"):
        metadata.add_versions([signed(task_version(wheel="other"))])


def published_later(version: TaskVersion) -> TaskVersion:
    """The same version, published on another day on another machine."""
    release = attrs.evolve(
        version.release, published_at="2027-01-01T00:00:00+00:00", platform="darwin-arm64"
    )
    return attrs.evolve(version, release=release)


def test_task_is_as_declared_under_its_sdk(metadata: MetadataStore) -> None:
    """What a task declares follows from its wheel and its SDK, so it is renewed with the SDK."""
    metadata.add_versions([task_version()])
    newer = task_version(sdk="newer")
    newer = attrs.evolve(newer, task=attrs.evolve(newer.task, description="told by the newer SDK"))
    metadata.add_versions([newer])
    assert metadata.version("echo") == newer


def test_task_of_another_distribution_is_refused(metadata: MetadataStore) -> None:
    """A task's name belongs to the distribution that published it first."""
    metadata.add_versions([task_version()])
    with pytest.raises(ConflictError, match=r"'echo' belongs to .* 'taskmgr-echo', not to 'other'"):
        metadata.add_versions([task_version("echo", "2.0", "other")])


def test_conflict_in_one_version_records_none_of_them(metadata: MetadataStore) -> None:
    """The versions of a release are recorded together or not at all."""
    metadata.add_versions([task_version("echo")])
    with pytest.raises(ConflictError):
        metadata.add_versions([task_version("shout"), task_version("echo", wheel="other")])
    with pytest.raises(NotFoundError):
        metadata.version("shout")


def test_current_version_is_the_highest(metadata: MetadataStore) -> None:
    """The current version is the highest by PEP 440, in whatever order they were published."""
    for number in ("1.0", "1.10", "1.9", "1.2.post1"):
        metadata.add_versions([task_version("echo", number)])
    metadata.add_versions([task_version("shout", "0.1")])
    assert metadata.version("echo").version == "1.10"
    assert numbers(metadata.versions("echo")) == ["1.10", "1.9", "1.2.post1", "1.0"]
    found = metadata.latest_versions()
    assert [(each.name, each.version) for each in found] == [("echo", "1.10"), ("shout", "0.1")]


def test_pre_release_is_current_only_without_a_final_version(metadata: MetadataStore) -> None:
    """Any final version comes before any pre-release; with no final one, the highest is current."""
    for number in ("2.0a1", "2.0rc1", "3.0.dev1"):
        metadata.add_versions([task_version("echo", number)])
    assert metadata.version("echo").version == "3.0.dev1"
    assert numbers(metadata.latest_versions()) == ["3.0.dev1"]
    metadata.add_versions([task_version("echo", "1.0")])
    assert metadata.version("echo").version == "1.0"
    assert numbers(metadata.latest_versions()) == ["1.0"]
    assert numbers(metadata.versions("echo")) == ["1.0", "3.0.dev1", "2.0rc1", "2.0a1"]


def numbers(versions: Sequence[TaskVersion]) -> list[str]:
    """The versions as they are written."""
    return [each.version for each in versions]


def test_unknown_task_names_the_nearest(metadata: MetadataStore) -> None:
    """A task that is not there is answered with the name that was probably meant."""
    metadata.add_versions([task_version()])
    for look_up in (metadata.version, metadata.versions):
        with pytest.raises(NotFoundError, match="no task 'ecko'; did you mean 'echo'"):
            look_up("ecko")


def test_unknown_version_names_the_known_ones(metadata: MetadataStore) -> None:
    """A version that is not there is answered with those that are."""
    metadata.add_versions([task_version("echo", "1.0"), task_version("echo", "2.0")])
    with pytest.raises(NotFoundError, match=r"'echo' has no version '7'; known: '1\.0', '2\.0'"):
        metadata.version("echo", "7")


def test_empty_catalog_lists_nothing(metadata: MetadataStore) -> None:
    """With nothing published the lists are empty, and a look-up says that there is nothing."""
    assert metadata.latest_versions() == []
    assert metadata.pipelines() == []
    with pytest.raises(NotFoundError, match="no task 'echo'; there are none"):
        metadata.version("echo")
    with pytest.raises(NotFoundError, match="no pipeline 'greeting'; there are none"):
        metadata.pipeline("greeting")


def test_versions_of_a_distribution_are_all_of_its_tasks(metadata: MetadataStore) -> None:
    """Every version of every task of a distribution is given, and of no other; of all if asked."""
    first, second = task_version("echo"), task_version("shout", "2.0", "taskmgr-echo")
    third = task_version("sing", "1.0", "taskmgr-echo-more")
    for each in (third, second, first):
        metadata.add_versions([each])
    assert metadata.versions_of("taskmgr-echo") == [first, second]
    assert metadata.versions_of("taskmgr-echo-more") == [third]
    assert metadata.versions_of("taskmgr") == []
    assert metadata.versions_of() == [first, second, third]


def test_distributions_are_listed_once(metadata: MetadataStore) -> None:
    """The names of the published distributions, in order, each once."""
    assert metadata.distributions() == []
    for number, name in (("1.0", "zebra"), ("2.0", "zebra"), ("1.0", "ant")):
        metadata.add_versions([task_version(name, number, name)])
    assert metadata.distributions() == ["ant", "zebra"]


# pipelines


def test_pipeline_is_read_back_as_it_was(metadata: MetadataStore) -> None:
    """A recorded pipeline is given back whole."""
    assert metadata.put_pipeline(pipeline_spec()) is True
    assert metadata.pipeline("greeting") == pipeline_spec()


def test_pipeline_recorded_again_changes_nothing(metadata: MetadataStore) -> None:
    """The same pipeline once more says False; another one of that name replaces it."""
    metadata.put_pipeline(pipeline_spec())
    assert metadata.put_pipeline(pipeline_spec()) is False
    assert metadata.put_pipeline(pipeline_spec(description="changed")) is True
    assert metadata.pipeline("greeting").description == "changed"
    assert len(metadata.pipelines()) == 1


def test_pipelines_are_listed_by_name(metadata: MetadataStore) -> None:
    """The list is in the order of the names."""
    for name in ("second", "first", "third"):
        metadata.put_pipeline(pipeline_spec(name))
    assert [each.pipeline for each in metadata.pipelines()] == ["first", "second", "third"]


def test_unknown_pipeline_names_the_nearest(metadata: MetadataStore) -> None:
    """A pipeline that is not there is answered with the name that was probably meant."""
    metadata.put_pipeline(pipeline_spec())
    with pytest.raises(NotFoundError, match="no pipeline 'greting'; did you mean 'greeting'"):
        metadata.pipeline("greting")


def test_catalog_is_seen_by_others(open_metadata: Callable[[], MetadataStore]) -> None:
    """What one process published another one finds at once, opened before or after."""
    one, other = open_metadata(), open_metadata()
    one.add_versions([task_version()])
    one.put_pipeline(pipeline_spec())
    for each in (other, open_metadata()):
        assert each.version("echo") == task_version()
        assert each.pipeline("greeting") == pipeline_spec()


def test_initializing_again_keeps_everything(metadata: MetadataStore) -> None:
    """``initialize`` on a store that has been in use changes nothing in it."""
    metadata.add_versions([task_version()])
    metadata.initialize()
    assert metadata.version("echo") == task_version()


# routes


def test_route_chooses_the_version(metadata: MetadataStore) -> None:
    """What operators chose is what a run gets that names no version, and what is listed."""
    for number in ("1.0", "1.1", "2.0"):
        metadata.add_versions([task_version("echo", number)])
    assert metadata.route("echo") == Route("echo")
    choice = Choice(stable="1.0", candidate="1.1", percent=40)
    assert metadata.put_route(Route("echo", choice, {"2.0": "broken"})) is True
    assert metadata.route("echo") == Route("echo", choice, {"2.0": "broken"}, revision=1)
    assert metadata.version("echo").version == "1.0"
    assert [metadata.version("echo", share=each).version for each in (39.9, 40)] == ["1.1", "1.0"]
    assert metadata.version("echo", "2.0", 0.0).version == "2.0"
    assert numbers(metadata.latest_versions()) == ["1.0"]


def test_route_that_was_changed_meanwhile_is_not_overwritten(metadata: MetadataStore) -> None:
    """Of two operators who read the same route only the first changes it."""
    first, second = Choice(stable="1.0"), Choice(stable="2.0")
    assert metadata.put_route(Route("echo", first)) is True
    assert metadata.put_route(Route("echo", second)) is False
    assert metadata.put_route(Route("echo", second, revision=1)) is True
    assert metadata.put_route(Route("echo", first, revision=1)) is False
    assert metadata.route("echo") == Route("echo", second, revision=2)


def test_route_is_replaced_whatever_is_there(metadata: MetadataStore) -> None:
    """A record that cannot be read is replaced without the revision that nobody can read."""
    metadata.put_route(Route("echo", Choice(stable="1.0")))
    assert metadata.put_route(Route("echo", revision=-1)) is True
    assert metadata.route("echo") == Route("echo", revision=1)
    assert metadata.put_route(Route("shout", revision=-1)) is True


def test_queues_are_those_of_every_version(metadata: MetadataStore) -> None:
    """A queue that only an old version names is told, too: its runs may still wait there."""
    assert metadata.queues() == []
    for number, queue in (("1.0", "vision"), ("2.0", "gpu")):
        version = task_version("echo", number)
        metadata.add_versions([attrs.evolve(version, task=attrs.evolve(version.task, queue=queue))])
    metadata.add_versions([task_version("shout")])
    assert metadata.queues() == ["default", "gpu", "vision"]
