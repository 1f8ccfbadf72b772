"""Remote-sensing tasks: scenes, floods, captions.

The released benchmark's config names and metric code are not confirmed: configs and columns are
read from the hub at run time, and every result names the rule that was used.
"""

from __future__ import annotations

from tasks import _vocabulary as vocabulary
from tasks._types import Card, HubDataset, Task
from tasks.scorers import ExactVqa, RougeL, SceneClass

_REPO = "AdaptLLM/remote-sensing-VQA-benchmark"
_SCENE_PROMPT = (
    "What is the category of this remote sensing image? Answer the question using a single word "
    "or phrase. Reference categories include: {options}"
)
_SCENE_PAPER = (
    "Upstream rule unknown. Ours: the class whose name stands last in the answer as whole words, "
    "longest names first."
)
_SCENE_STRICT = "The only class that is named as whole words."
_ONE_WORD = {
    "baseballdiamond": "baseball diamond",
    "denseresidential": "dense residential",
    "golfcourse": "golf course",
    "mediumresidential": "medium residential",
    "mobilehomepark": "mobile home park",
    "parkinglot": "parking lot",
    "sparseresidential": "sparse residential",
    "storagetanks": "storage tanks",
    "tenniscourt": "tennis court",
}

CLRS = Task(
    id="clrs",
    group="remote_sensing",
    source=HubDataset(_REPO, ("CLRS",)),
    scorer=SceneClass(vocabulary.clrs),
    image_formats=("JPEG", "PNG", "WEBP", "TIFF"),
    card=Card(
        title="CLRS",
        measures="which of 25 kinds of scene is shown",
        prompt=_SCENE_PROMPT,
        rows="15,000",
        paper=_SCENE_PAPER,
        strict=_SCENE_STRICT,
    ),
)
UCMERCED = Task(
    id="ucmerced",
    group="remote_sensing",
    source=HubDataset(_REPO, ("UC_Merced", "UCMerced")),
    scorer=SceneClass(vocabulary.ucmerced, _ONE_WORD),
    image_formats=("JPEG", "PNG", "WEBP", "TIFF"),
    card=Card(
        title="UC Merced",
        measures="which of 21 kinds of land use is shown",
        prompt=_SCENE_PROMPT,
        rows="2,100 images exist; the paper prints 21,000",
        paper=_SCENE_PAPER,
        strict=_SCENE_STRICT,
        notes=(
            "Class names are single words (parkinglot): under paper 'parking lot' is no match.",
            "The published caption sources hold these very images (UCM-Captions).",
        ),
    ),
)
FLOODNET = Task(
    id="floodnet",
    group="remote_sensing",
    source=HubDataset(_REPO, ("FloodNet",)),
    scorer=ExactVqa(),
    card=Card(
        title="FloodNet",
        measures="questions about drone pictures after a flood",
        prompt="{question}",
        rows="the paper prints 11,000; 4,511 training questions are public",
        paper="Upstream rule unknown. Ours: equal to the label after VQA normalising.",
        strict="Yes/no by what the answer decides; else equal after normalising.",
    ),
)
NWPU_CAPTIONS = Task(
    id="nwpu_captions",
    group="remote_sensing",
    source=HubDataset(_REPO, ("NWPU", "NWPU_Captions")),
    scorer=RougeL("best"),
    card=Card(
        title="NWPU-Captions",
        measures="one-sentence captions of aerial images, five references each",
        prompt=(
            "Please provide an one-sentence caption for the provided remote sensing image in "
            "details."
        ),
        rows="the paper prints 31,500",
        paper="Summary-level ROUGE-L F against the best reference (upstream rule unknown).",
        strict="Sentence-level ROUGE-L F against the best reference.",
        notes=("NWPU-Captions' training split is in the published caption sources.",),
    ),
)

REMOTE_SENSING: tuple[Task, ...] = (CLRS, UCMERCED, FLOODNET, NWPU_CAPTIONS)
