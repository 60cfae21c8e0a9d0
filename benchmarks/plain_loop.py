"""The three face tasks called one after the other in a plain loop: what a platform is beside.

Run in a virtualenv that has the three plugins: ``plain_loop.py FOLDER MODELS...``; prints
JSON: seconds for all pictures of the folder, how many, the faces, and the megabytes of
memory that it took.
"""

import json
import resource
import sys
import time
from pathlib import Path

import cv2

from taskmgr_face_attributes import FaceAttributes
from taskmgr_face_detection import FaceDetection
from taskmgr_face_features import FaceFeatures
from taskmgr_plugins import Image


def main() -> None:
    """Detect, then attributes, then features, for each picture."""
    cv2.setNumThreads(1)
    folder, *models = map(Path, sys.argv[1:])
    paths = {path.name: path for each in models for path in each.iterdir()}
    tasks = [FaceDetection(), FaceAttributes(), FaceFeatures()]
    for task in tasks:
        task._model_paths = paths
        task.load_model()
    detection, attributes, features = tasks
    pictures = sorted(folder.iterdir())
    detection.predict(Image(pictures[0]))
    faces = 0
    started = time.perf_counter()
    for path in pictures:
        found = detection.predict(Image(path)).faces_array
        faces += len(found)
        attributes.predict(found, Image(path))
        features.predict(found, Image(path))
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"seconds": seconds, "pictures": len(pictures), "faces": faces, "megabytes": memory}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
