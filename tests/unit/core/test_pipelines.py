"""Pipeline files: JSON and YAML, and what is said of a bad one."""

import contextlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import face_document, face_pipeline

from taskmgr_core.documents import InvalidDocumentError
from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.pipelines import load_pipeline, parse_pipeline

YAML = """\
pipeline: face_processing
inputs: {image: Image}
steps:
  - id: 001
    task: face_detection
    inputs:
      input_001_image: image
      input_001_threshold: {value: 0.25}
  - {id: 010, task: face_attributes, inputs: {input_010_faces_array: output_001_faces_array}}
result:
  faces: output_001_faces_array
"""


def fault(text: str, suffix: str = ".json") -> str:
    """What is said of a text, without the first line."""
    with pytest.raises(InvalidDocumentError) as caught:
        parse_pipeline(text, suffix)
    first, _, rest = str(caught.value).partition("\n  ")
    assert first == "the pipeline:"
    return rest


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml", ".JSON"])
def test_same_pipeline_comes_from_each_kind_of_file(tmp_path: Path, suffix: str) -> None:
    """A file of each kind gives the pipeline that it holds."""
    path = tmp_path / f"face{suffix}"
    dump = json.dumps if suffix.lower() == ".json" else yaml.safe_dump
    path.write_text(dump(face_document()), encoding="utf-8")
    assert load_pipeline(path) == face_pipeline()


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """A file from an editor that writes a byte order mark is read."""
    path = tmp_path / "face.json"
    path.write_text(json.dumps(face_document()), encoding="utf-8-sig")
    assert load_pipeline(path) == face_pipeline()


def test_yaml_ids_keep_their_zeros() -> None:
    """``001`` and ``010`` without quotes are the ids 001 and 010, not 1 and 8."""
    spec = parse_pipeline(YAML, ".yaml")
    assert [step.id for step in spec.steps] == ["001", "010"]
    assert spec.steps[0].inputs["input_001_threshold"] == {"value": 0.25}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("2024-01-31", "2024-01-31"),
        ("1:30", "1:30"),
        ("007", "007"),
        ("true", True),
        ("null", None),
        ("-3", -3),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("0", 0),
    ],
)
def test_yaml_scalars_mean_what_json_means(text: str, value: object) -> None:
    """Only what JSON writes so is a number or truth value; all else is text."""
    text = YAML.replace("0.25", text)
    assert parse_pipeline(text, ".yaml").steps[0].inputs["input_001_threshold"] == {"value": value}


def test_yaml_keys_are_texts_and_may_be_merged() -> None:
    """A key is what is written, also ``1``, ``no`` and ``null``; ``<<`` adds another mapping."""
    text = YAML.replace("0.25", "{<<: {1: a, b: 2}, no: c, null: d, b: 3}")
    assert parse_pipeline(text, ".yaml").steps[0].inputs["input_001_threshold"] == {
        "value": {"1": "a", "no": "c", "null": "d", "b": 3}
    }


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file and a folder are told apart."""
    with pytest.raises(NotFoundError, match=r"face\.json is not there; give a \.json, \.yaml"):
        load_pipeline(tmp_path / "face.json")
    with pytest.raises(NotFoundError, match="is a folder, not a file"):
        load_pipeline(tmp_path)


def test_file_of_another_kind_is_told(tmp_path: Path) -> None:
    """Another suffix is refused with those that are allowed, and the file's name."""
    path = tmp_path / "face.toml"
    path.write_text("")
    with pytest.raises(InvalidDocumentError) as caught:
        load_pipeline(path)
    assert str(caught.value) == (
        f"the pipeline file {path}:\n"
        "  its suffix '.toml' is not known; allowed are .json, .yaml or .yml"
    )


def test_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused with the place of the first."""
    path = tmp_path / "face.json"
    path.write_bytes(b'{"pipeline": "\xff"}')
    with pytest.raises(InvalidDocumentError, match="it is not UTF-8 text: byte 14 is wrong"):
        load_pipeline(path)


SYNTAX = [
    (".json", '{"pipeline":\n  }', "line 2, column 3: Expecting value"),
    (".json", "", "line 1, column 1: Expecting value"),
    (".yaml", "pipeline: a\nsteps: [1,\n", "line 3, column 1: expected the node content"),
    (".yaml", "pipeline: a\n\tb: 1", "line 2, column 1: found character"),
    (".yaml", "a: !!python/name:os.system x", "line 1, column 4: could not determine"),
    (".yaml", "--- 1\n--- 2\n", "line 2, column 1: but found another document"),
    (".json", '{"a": NaN}', "NaN is not a number of JSON"),
    (".json", "[" * 100_000, "it is nested too deeply"),
    (".yaml", "[" * 3_000, "it is nested too deeply"),
]


@pytest.mark.parametrize(("suffix", "text", "message"), SYNTAX, ids=range(len(SYNTAX)))
def test_fault_in_the_syntax_has_line_and_column(suffix: str, text: str, message: str) -> None:
    """A file that cannot be parsed is told with the place where reading stopped."""
    assert fault(text, suffix).startswith(message)


def test_doubled_key_is_refused_in_json() -> None:
    """A doubled input would otherwise win silently over the first one."""
    text = '{"pipeline": "a",\n "inputs": {"image": "Image",\n "image": "File"}, "steps": []}'
    assert fault(text) == "the key 'image' is twice in one object (it stands on line 2, 3)"


def test_doubled_key_is_refused_in_yaml() -> None:
    """In YAML a doubled key is told with its line and column."""
    text = YAML.replace("input_001_threshold:", "input_001_image:")
    assert (
        fault(text, ".yaml") == "line 8, column 7: the key 'input_001_image' is twice in one object"
    )


def test_key_in_two_objects_is_no_fault() -> None:
    """The same key in different objects is what files are made of."""
    text = json.dumps(face_document())
    assert text.count('"id"') == 3
    assert parse_pipeline(text, ".json") == face_pipeline()


STRUCTURE = [
    ("[]", "it must be an object with the keys pipeline, inputs, steps and perhaps result"),
    ('{"pipeline": "a", "inputs": {}, "steps": {}}', "steps: {} is not a list"),
    (
        '{"pipeline": "a", "inputs": {}, "steps": ["001"]}',
        "steps[0]: '001' is not an object with the keys id",
    ),
    (
        '{"pipeline": "a", "inputs": {}, "steps": [{"id": "1", "tsk": "b"}]}',
        "steps[0]: unknown field 'tsk', did you mean 'task'?",
    ),
]


@pytest.mark.parametrize(("text", "message"), STRUCTURE, ids=range(len(STRUCTURE)))
def test_fault_in_the_structure_has_its_place(text: str, message: str) -> None:
    """A file that is no pipeline is told with the place of each fault."""
    assert fault(text) == message


@given(st.text(max_size=40) | st.text(alphabet='{}[]:,"- \n&*!ab0<', max_size=40))
def test_any_text_is_a_pipeline_or_refused(text: str) -> None:
    """No text makes reading fail in another way than with our own error."""
    for suffix in (".json", ".yaml"):
        with contextlib.suppress(TaskmgrError):
            parse_pipeline(text, suffix)
