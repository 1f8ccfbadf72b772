"""What a caption of a radiological, pathological or other clinical picture answers."""

from __future__ import annotations

import re

from synth.generators._candidate import Candidate, ended, lowered, raised

_MODALITIES = {
    "ct": r"CT|CECT|HRCT|computed tomograph\w+",
    "mri": r"MRI|MR images?|magnetic resonance(?: imaging)?",
    "x-ray": r"X-?rays?|radiographs?|radiography|orthopantomogram",
    "ultrasound": r"ultrasound|ultrasonograph\w+|sonogra(?:m|phy|phic)|echocardiogra(?:m|phy|phic)",
    "pet": r"PET|positron emission tomography",
    "mammography": r"mammogra(?:m|ms|phy|phic)",
    "angiography": r"angiogra(?:m|ms|phy|phic)",
    "endoscopy": r"endoscop(?:y|ic)|colonoscop(?:y|ic)|bronchoscop(?:y|ic)|gastroscop(?:y|ic)",
    "fundus photography": r"fundus (?:photograph\w*|imag\w+)|fundoscop\w+",
    "oct": r"optical coherence tomography|OCT",
    "microscopy": r"photomicrographs?|micrographs?|microscop(?:y|ic)|histolog\w+|histopatholog\w+",
    "dermoscopy": r"dermoscop(?:y|ic)|dermatoscop(?:y|ic)",
}
_MODALITY = {name: re.compile(rf"\b(?:{form})\b", re.I) for name, form in _MODALITIES.items()}
_CAPITALS = re.compile(r"\b(?:CT|MRI|PET|OCT)\b")
_STAIN = re.compile(
    r"\b(?:ha?ematoxylin(?:[- ]and[- ]|[-/& ]+)eosin|H\s?&\s?E|HE stain\w*|Masson(?:'s)? trichrome|"
    r"Ziehl-Neelsen|periodic acid[- ]Schiff|PAS stain\w*|Giemsa|Congo red|Gram stain|Ki-67|"
    r"immunohistochemi\w+)\b",
    re.IGNORECASE,
)
_FINDINGS = (
    r"(?:pleural |pericardial )?effusion|pneumothorax|consolidation|cardiomegaly|o?edema|"
    r"(?:micro)?calcifications?|ha?emorrhage|infarct(?:ion)?|stenosis|thrombus|thrombosis|embolism|"
    r"abscess|cysts?|tumou?rs?|(?:adeno)?carcinoma|lymphoma|melanoma|sarcoma|metastas[ei]s|"
    r"lymphadenopathy|necrosis|fibrosis|inflammation|opacit(?:y|ies)|atelectasis|aneurysm|"
    r"hydronephrosis|ascites|hernia|polyps?|ulcers?|granulomas?|fractures?|dislocation|nodules?|"
    r"mass(?:es)?|lesions?|midline shift|pneumonia|emphysema|hepatomegaly|splenomegaly|gallstones?"
)
_FINDING = re.compile(rf"\b(?:{_FINDINGS})\b", re.IGNORECASE)
_DENIED = (
    r"\b(?:no|without|absence of|absent|negative for|free of|not|ruled? out|denies)\b"
    r"(?:(?!\bbut\b)[^.;]){0,60}?"
)
_DOUBTED = re.compile(
    r"\b(?:may|might|possibl[ey]|suspected|suspicious|suggest\w*|probabl[ey]|likely|rule out|"
    r"differential|cannot|versus|vs|\?)",
    re.IGNORECASE,
)
_SITED = re.compile(
    rf"\b(?P<what>(?:[a-z-]+\s){{0,2}}(?:{_FINDINGS}))\s+(?P<where>(?:in|within|involving|at|along)\s+"
    r"the\s+[a-z][\w\s-]{2,50}?)(?=[.,;()]|\s(?:and|with|which|that|causing|measuring|consistent)\b|$)",
    re.IGNORECASE,
)
_SIDED = re.compile(
    r"\b(?P<side>left|right)[- ]"
    r"(?P<part>(?:(?:upper|middle|lower|frontal|temporal|parietal|occipital|thyroid)\s)?"
    r"(?:lungs?|lobe|kidney|breast|hip|knee|shoulder|ankle|wrist|elbow|foot|hand|eye|"
    r"ventricle|atrium|hemisphere|femur|tibia|humerus|ovary|adrenal gland|hemithorax))\b",
    re.IGNORECASE,
)
_ORGANS = re.compile(
    r"\b(?:brain|lungs?|chest|heart|liver|kidneys?|spleen|pancreas|stomach|colon|bladder|prostate|"
    r"uterus|ovary|breast|thyroid|spine|skull|pelvis|knee|hip|shoulder|retina|skin|gallbladder|"
    r"o?esophagus|appendix|bone marrow)\b",
    re.IGNORECASE,
)
_SINGLE = {"lungs": "lung", "kidneys": "kidney", "esophagus": "oesophagus"}


def clinical_candidates(caption: str, sentences: list[str]) -> list[Candidate]:
    """Questions on modality, stain, organ, findings, their site and side; none if not clinical."""
    modality, stain = _modality(caption, sentences), _stain(sentences)
    findings = _presence(sentences)
    if not modality and not stain and not (findings and _ORGANS.search(caption)):
        return []
    return [*modality, *stain, *findings, *_site(sentences), *_side(caption, sentences),
            *_organ(caption, sentences)]  # fmt: skip


def _sentence_with(text: str, sentences: list[str]) -> str:
    return ended(next((s for s in sentences if text in s), sentences[0]))


def _modality(caption: str, sentences: list[str]) -> list[Candidate]:
    found = {name: hit for name, form in _MODALITY.items() if (hit := form.search(caption))}
    if len(found) != 1:
        return []
    word = next(iter(found.values()))[0]
    if word.upper() in ("CT", "MRI", "PET", "OCT") and not _CAPITALS.search(caption):
        return []
    return [
        Candidate(
            "modality",
            (
                "How was this picture obtained?",
                "Which imaging method was used here?",
                "What kind of imaging is this?",
            ),
            f"{_sentence_with(word, sentences)} The kind of imaging is {lowered(word)}.",
            raised(word),
        )
    ]


def _stain(sentences: list[str]) -> list[Candidate]:
    hits = [(hit[0], s) for s in sentences if (hit := _STAIN.search(s)) is not None]
    if len({stain.lower() for stain, _ in hits}) != 1:
        return []
    stain, sentence = hits[0]
    return [
        Candidate(
            "stain",
            ("Which stain was used for this section?", "How was this tissue stained?"),
            f"{ended(sentence)} The staining is {stain}.",
            stain,
        )
    ]


def _presence(sentences: list[str]) -> list[Candidate]:
    """Findings that are stated or denied; what is only suspected is left out."""
    found: dict[str, Candidate | None] = {}
    for sentence in sentences:
        for hit in _FINDING.finditer(sentence):
            name = hit[0].lower()
            if _DOUBTED.search(sentence):
                found[name] = None
                continue
            denied = re.search(_DENIED + re.escape(hit[0]), sentence, re.IGNORECASE) is not None
            verdict = "No" if denied else "Yes"
            said = "does not show" if denied else "shows"
            candidate = Candidate(
                "finding",
                (
                    f"Does the picture show {_some(name)}?",
                    f"Is there {_some(name)} in this picture?"
                    if not _many(name)
                    else f"Are there {name} in this picture?",
                ),
                f"{ended(sentence)} So the picture {said} {_some(name)}.",
                verdict,
            )
            before = found.get(name, candidate)
            # Stated here and denied there: nothing can be asked.
            found[name] = candidate if before and before.precise == verdict else None
    return [candidate for candidate in found.values() if candidate is not None]


def _many(name: str) -> bool:
    return name.endswith("s") and not name.endswith(("sis", "ss", "itis", "is", "us", "ascites"))


def _some(name: str) -> str:
    """With an article where English wants one."""
    bare = (
        "edema", "oedema", "cardiomegaly", "lymphadenopathy", "necrosis", "fibrosis", "ascites",
        "inflammation", "consolidation", "hemorrhage", "haemorrhage", "atelectasis", "emphysema",
        "pneumonia", "hepatomegaly", "splenomegaly", "hydronephrosis", "thrombosis", "metastasis",
    )  # fmt: skip
    if _many(name) or name in bare:
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _site(sentences: list[str]) -> list[Candidate]:
    found = []
    for sentence in sentences:
        hits = list(_SITED.finditer(sentence))
        if len(hits) != 1 or _DOUBTED.search(sentence) or re.search(_DENIED, sentence, re.I):
            continue
        what = re.sub(r"^(?:an?|the|shows?|showing|of|with|is|are|and|there)\s+", "",
                      hits[0]["what"], flags=re.I)  # fmt: skip
        what = re.sub(r"^(?:an?|the|of|cm|mm)\s+", "", what, flags=re.IGNORECASE)
        verb = "are" if _many(what) else "is"
        where = hits[0]["where"]
        found.append(
            Candidate(
                "site",
                (f"Where {verb} the {what}?", f"Where {verb} the {what} located?"),
                f"{ended(sentence)} So the {what} {verb} {where}.",
                raised(where),
            )
        )
    return found


def _side(caption: str, sentences: list[str]) -> list[Candidate]:
    hits = list(_SIDED.finditer(caption))
    sides = {side.lower() for side in re.findall(r"\b(?:left|right|bilateral)\b", caption, re.I)}
    if len(hits) != 1 or len(sides) != 1:
        return []
    side, part = hits[0]["side"].lower(), hits[0]["part"].lower()
    return [
        Candidate(
            "side",
            (f"Which {part} is concerned, the left or the right one?",
             f"Is it the left or the right {part}?"),
            f"{_sentence_with(hits[0][0], sentences)} So the {part} concerned is the {side} one.",
            raised(side),
        )
    ]  # fmt: skip


def _organ(caption: str, sentences: list[str]) -> list[Candidate]:
    hits = [hit[0] for hit in _ORGANS.finditer(caption)]
    if len({_SINGLE.get(hit.lower(), hit.lower()) for hit in hits}) != 1:
        return []
    return [
        Candidate(
            "organ",
            (
                "Which organ or part of the body is shown?",
                "Which part of the body does this picture concern?",
            ),
            f"{_sentence_with(hits[0], sentences)} So the picture concerns the {hits[0].lower()}.",
            raised(hits[0].lower()),
        )
    ]
