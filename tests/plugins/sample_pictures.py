"""Where the pictures lie that the plugins are tested on."""

from pathlib import Path

from plugin_runner import REPOSITORY

EXAMPLES = REPOSITORY / "examples" / "images"
PICTURES = Path(__file__).parent / "pictures"

# No threshold and no proportion in the plugins was chosen by these.
UNSEEN = {"senator": PICTURES / "senator.jpg", "prime_minister": PICTURES / "prime_minister.jpg"}
PORTRAITS = {
    "astronaut": EXAMPLES / "astronaut.png",
    "grace_hopper": EXAMPLES / "grace_hopper.jpg",
    **UNSEEN,
}
