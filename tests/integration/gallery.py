"""A home whose tasks look at pictures, for the tests of the web page in a browser."""

from __future__ import annotations

import base64
from pathlib import Path

from plugin_projects import write_plugin

from taskmgr_core.client import Client
from taskmgr_core.specs import PipelineSpec, StepSpec

GALLERY = '''
"""Tasks of a gallery."""

import time
from pathlib import Path
from typing import Annotated, Literal

import attrs
from taskmgr_plugins import Box, Image, On, hookimpl, task


@attrs.frozen
class Spot:
    """A place on a picture."""

    spot_id: str
    bbox: Annotated[Box, On("image")]


@task(timeout=60)
def find_spots(image: Image, gate: str = "", count: int = 2) -> list[Spot]:
    """Find places on a picture; with a gate, wait in between for a file of that name."""
    print("looking at the picture")
    while gate and not Path(gate).exists():
        time.sleep(0.02)
    print("found the places")
    return [Spot(f"spot_{n}", Box(1 + 8 * n, 2, 6, 9)) for n in range(count)]


@attrs.frozen
class Seen:
    """What there is to tell of a place."""

    spot_id: str


@task
def tell(spots: list[Seen], tone: Literal["plain", "loud"] = "plain") -> str:
    """Say what was found."""
    said = f"{len(spots)} places"
    return said.upper() if tone == "loud" else said


@task
def refuse(text: str) -> str:
    """Raise."""
    raise ValueError(f"cannot do {text}")


@hookimpl
def taskmgr_tasks():
    return [find_spots, tell, refuse]
'''
# A red picture of 24 by 16 pixels.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAQCAIAAACDRijCAAAAGklEQVR42mM4oaFBFcQwatCoQaMGjRpEGQIATMGkEOEozAAA"
    "AABJRU5ErkJggg=="
)


def publish_gallery(client: Client, folder: Path) -> None:
    """Publish the tasks and a pipeline of them."""
    project = write_plugin(
        folder / "gallery",
        name="taskmgr-gallery",
        dependencies=("attrs", "taskmgr-plugins>=0.1"),
        task="find_spots",
        code=GALLERY,
    )
    about = project / "pyproject.toml"
    line = 'find_spots = "taskmgr_gallery"\n'
    more = "".join(f'{name} = "taskmgr_gallery"\n' for name in ("tell", "refuse"))
    about.write_text(about.read_text().replace(line, line + more))
    client.publish(project)
    steps = (
        StepSpec("001", "find_spots", {"input_001_image": "image", "input_001_gate": "gate"}),
        StepSpec("002", "tell", {"input_002_spots": "output_001_result"}),
    )
    inputs = {"image": "Image", "gate": "string"}
    result = {"spots": "output_001_result", "said": "output_002_result"}
    about_it = "Find places on a picture and tell of them."
    client.metadata.put_pipeline(
        PipelineSpec("survey", inputs, steps, result=result, description=about_it)
    )
