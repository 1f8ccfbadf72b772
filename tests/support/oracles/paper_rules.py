"""The `paper` scoring rules, sentence by sentence from section 2 of the protocol.

Read beside the text: each function says one paragraph in its order. Nothing is fast, nothing is
shared with the project's scorers, and every vocabulary comes in as an argument.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

MARKS = list(r';/[]"{}()=+\_-><@`,?!')
COUNTED = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBERS = {"none": "0"} | {word: str(number) for number, word in enumerate(COUNTED)}
ARTICLES = ("a", "an", "the")
FULL_STOPS_A_PASS = 32
CHOICE_MARKS = list(",.!?;:'")


# Normalising (open and closed VQA)


def normalise(text: str, contractions: Mapping[str, str]) -> str:
    """One pass over a text that the caller has lower-cased."""
    came_in = text
    grouped = _holds_digit_comma_digit(came_in)
    for mark in MARKS:
        beside_space = " " + mark in came_in or mark + " " in came_in
        text = text.replace(mark, "" if beside_space or grouped else " ")
    text = _delete_full_stops(text)
    words = [NUMBERS.get(word, word) for word in text.split()]
    words = [word for word in words if word not in ARTICLES]
    words = [contractions.get(word, word) for word in words]
    return " ".join(words).replace(",", "")


def _holds_digit_comma_digit(text: str) -> bool:
    return any(
        text[i] == "," and text[i - 1].isdecimal() and text[i + 1].isdecimal()
        for i in range(1, len(text) - 1)
    )


def _delete_full_stops(text: str) -> str:
    """Deletes the first 32 full stops that no digit follows."""
    kept = []
    deleted = 0
    for i, character in enumerate(text):
        digit_follows = text[i + 1 : i + 2].isdecimal()
        if character == "." and not digit_follows and deleted < FULL_STOPS_A_PASS:
            deleted += 1
        else:
            kept.append(character)
    return "".join(kept)


def _twice(text: str, contractions: Mapping[str, str]) -> str:
    return normalise(normalise(text.lower(), contractions), contractions)


# OPEN recall


def open_recall(label: str, prediction: str, contractions: Mapping[str, str]) -> float:
    """Recall of the label's words, where a shared word counts as often as it is predicted."""
    in_label = Counter(_twice(label, contractions).split())
    in_prediction = Counter(_twice(prediction, contractions).split())
    if not in_label or not in_prediction:
        return 0.0
    tp = 0
    fn = 0
    for word in in_label:
        if word in in_prediction:
            tp += in_prediction[word]
        else:
            fn += in_label[word]
    return tp / (tp + fn)


# CLOSED accuracy


def closed_accuracy(label: str, prediction: str, contractions: Mapping[str, str]) -> float:
    """1 if the prediction holds `yes` or `no`, and the label, as substrings."""
    label = normalise(label.lower(), contractions)
    prediction = normalise(prediction.lower(), contractions)
    if "yes" not in prediction and "no" not in prediction:
        return 0.0
    return 1.0 if label in prediction else 0.0


# Multiple choice


def choose(
    text: str, letters: Sequence[str], texts: Sequence[str], row_index: int
) -> tuple[str, bool]:
    """Returns the letter read from a text, and whether it had to be guessed."""
    for mark in CHOICE_MARKS:
        text = text.strip(mark)
    text = " " + text + " "

    candidates = [(text.rfind(f"({x})"), x) for x in letters if f"({x})" in text]
    if not candidates:
        candidates = [(text.rfind(f" {x} "), x) for x in letters if f" {x} " in text]
    if not candidates and len(text) > 5:
        lowered = text.lower()
        for letter, option in zip(letters, texts, strict=True):
            if option.lower() in lowered:
                candidates.append((lowered.rfind(option.lower()), letter))

    if not candidates:
        return random.Random(row_index).choice(letters), True
    latest = max(position for position, _ in candidates)
    return next(letter for position, letter in candidates if position == latest), False


# Multi-label


def names_in(text: str, vocabulary: Sequence[str]) -> list[str]:
    """The names of a text, lower-cased, in the order in which they are recorded."""
    text = text.lower()
    names = [name.lower() for name in vocabulary]
    recorded = []
    for name in sorted(names, key=lambda name: -len(name)):
        if name in text:
            recorded.append(name)
            text = text.replace(name, "")
    return recorded


def foodseg_f1(labels: Sequence[str], prediction: str, vocabulary: Sequence[str]) -> float:
    """F1 of the two 0/1 vectors of a row; 1 where both are empty."""
    names = [name.lower() for name in vocabulary]
    true = {_position(label, names) for label in labels}
    predicted = {names.index(name) for name in names_in(prediction, vocabulary)}
    tp = len(true & predicted)
    fp = len(predicted - true)
    fn = len(true - predicted)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def nutrition_recall(labels: Sequence[str], prediction: str, vocabulary: Sequence[str]) -> float:
    """Recall of a row; of a repeated name the label is the last, the prediction the first."""
    names = [name.lower() for name in vocabulary]
    true = {_position(label, names) for label in labels}
    predicted = {names.index(name) for name in names_in(prediction, vocabulary)}
    tp = len(true & predicted)
    fn = len(true - predicted)
    return tp / (tp + fn) if tp + fn else 1.0


def _position(label: str, names: Sequence[str]) -> int:
    """The last index of a label; a label outside the vocabulary makes a failed row."""
    if label.lower() not in names:
        raise ValueError(f"label {label!r} is not in the vocabulary")
    return max(i for i, name in enumerate(names) if name == label.lower())


# ROUGE-L


def rouge_l_summary(label: str, prediction: str) -> float:
    """Summary-level ROUGE-L F, of texts as they stand."""
    label_segments = _segments(label)
    prediction_segments = _segments(prediction)
    if not label_segments or not prediction_segments:
        return 0.0
    union: set[str] = set()
    for label_words in label_segments:
        for prediction_words in prediction_segments:
            union.update(_common_words(label_words, prediction_words))
    p = len(union) / len({word for words in prediction_segments for word in words})
    r = len(union) / len({word for words in label_segments for word in words})
    return 2 * p * r / (p + r + 1e-8)


def _segments(text: str) -> list[list[str]]:
    """The words of each segment between full stops; one of white space only is `[""]`."""
    segments = [segment for segment in text.split(".") if segment != ""]
    return [" ".join(segment.split()).split(" ") for segment in segments]


def _common_words(rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The words of the longest common subsequence that the back-trace finds."""
    table = [[0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    for i in range(1, len(rows) + 1):
        for j in range(1, len(columns) + 1):
            if rows[i - 1] == columns[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    words = []
    i, j = len(rows), len(columns)
    while i > 0 and j > 0:
        if rows[i - 1] == columns[j - 1]:
            words.append(rows[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


# clrs, ucmerced, floodnet


def classify(text: str, names: Sequence[str]) -> str | None:
    """The name whose last whole-word occurrence is latest; none inside a longer one counts."""
    text = _spaced(text)
    found: list[tuple[int, int, str]] = []
    for name in sorted(names, key=lambda name: -len(name)):
        length = len(_spaced(name))
        for start in range(len(text) - length + 1):
            end = start + length
            inside = any(a <= start and end <= b for a, b, _ in found)
            if text[start:end] == _spaced(name) and _bounded(text, start, end) and not inside:
                found.append((start, end, name))
    return max(found)[2] if found else None


def _spaced(text: str) -> str:
    return text.lower().replace("-", " ").replace("_", " ")


def _bounded(text: str, start: int, end: int) -> bool:
    return not text[max(start - 1, 0) : start].isalnum() and not text[end : end + 1].isalnum()


def floodnet_exact(label: str, prediction: str, contractions: Mapping[str, str]) -> float:
    """1 where both sides, normalised twice, are the same text."""
    return 1.0 if _twice(label, contractions) == _twice(prediction, contractions) else 0.0
