"""Hypothesis strategies for texts that hit the quirks of the `paper` rules often."""

from collections.abc import Sequence

from hypothesis import strategies as st

MARKS = list(r';/[]"{}()=+\_-><@`,?!')
OTHER_MARKS = list(".:'*#$%&|~")
BLANKS = [" ", "  ", "\n", "\t", "\r\n", "\xa0", "\u2003", "\u3000", "\x1c", "\x85", "\u200b"]
NUMBERS = [
    *("1,000", "1,2,3", "1, 2", "1 ,2", "a,1", ",5", "5,", "10", "0", "3.5", ".5", "5.", "..7"),
    *("7..", "1.2.3", "3.,5", "5.,", "\u0661,\u0662", "\u0663.\u0664", ".\u0665", "\xb2,2"),
]
WORDS = [
    *("none", "zero", "one", "two", "ten", "eleven", "Three", "FOUR", "someone", "a", "an", "the"),
    *("A", "The", "AN", "them", "yes", "no", "Yes", "NO", "normal", "eyes", "nothing", "not", "y"),
    *("es", "o", "n", "on", "left", "lung", "Left", "x", "ray", "it's", "10:30", "\u0130", "\xdf"),
]
CONTRACTIONS = ["dont", "isnt", "somebody'd", "yall'd've", "let's", "'ows'at", "cant", "Wont"]
FULL_STOPS = st.one_of(
    st.integers(1, 3), st.integers(30, 36), st.integers(64, 67)
).map(lambda count: "." * count)  # fmt: skip


def _joined(pieces: st.SearchStrategy[str], most: int = 12) -> st.SearchStrategy[str]:
    """Strings of pieces, with blanks between them or with nothing."""
    between = st.sampled_from(["", "", " ", " ", "\n"])
    return st.builds(str.join, between, st.lists(pieces, max_size=most))


def _cased(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, text, text.lower(), text.upper(), text.title(), text.swapcase()])


def _parts(text: str) -> st.SearchStrategy[str]:
    """Substrings of a text, near its whole length as a rule."""
    cut = st.integers(0, 2)
    return st.builds(lambda a, b: text[a : len(text) - b], cut, cut)


@st.composite
def _split_inside(draw: st.DrawFn, words: Sequence[str]) -> str:
    """A word with a mark, full stops or a blank in it, so that deleting makes the word."""
    word = draw(st.sampled_from(words))
    at = draw(st.integers(0, len(word)))
    inside = draw(st.one_of(st.sampled_from([*MARKS, ".", " "]), FULL_STOPS))
    return word[:at] + inside + word[at:]


def vqa_texts(contractions: Sequence[str] = CONTRACTIONS) -> st.SearchStrategy[str]:
    """Answers to medical questions; `contractions` are the keys to draw from."""
    keys = list(contractions)
    marks = st.sampled_from(MARKS)
    beside = st.builds(lambda a, mark, b: a + mark + b, *_sides(marks))
    piece = st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from(WORDS),
        st.sampled_from(NUMBERS),
        st.sampled_from(BLANKS),
        st.sampled_from(keys).flatmap(_cased),
        _split_inside(["yes", "no", "none", "two", "the", "a", *keys[:20]]),
        marks,
        beside,
        st.sampled_from(OTHER_MARKS),
        FULL_STOPS,
        st.text(max_size=3),
    )
    return st.one_of(_joined(piece), _joined(piece), _joined(piece, 40), st.text(), FULL_STOPS)


def _sides(
    middle: st.SearchStrategy[str],
) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str], st.SearchStrategy[str]]:
    side = st.sampled_from(["", "", " ", "\n", "\t", "\xa0", "1", "x"])
    return side, middle, side


def option_texts(count: int = 4) -> st.SearchStrategy[list[str]]:
    """Texts of the options, some of them equal, empty or inside one another."""
    words = ["lung", "left", "left lung", "the left lung mass", "lung mass", "mass", "rib", "No"]
    odd = ["", " ", "B", "(A)", "5", "12", "2.5 cm", "\u0130", "LEFT LUNG", "x", "x."]
    option = st.one_of(st.sampled_from(words), st.sampled_from(words + odd), st.text(max_size=5))
    return st.lists(option, min_size=count, max_size=count)


def choice_texts(letters: Sequence[str], texts: Sequence[str]) -> st.SearchStrategy[str]:
    """Answers that name letters and option texts, alone or bracketed, between marks."""
    letter = st.sampled_from(letters)
    text = st.sampled_from(texts)
    piece = st.one_of(
        letter,
        letter.map(lambda x: f" {x} "),
        letter.map(lambda x: f"({x})"),
        letter.flatmap(lambda x: st.sampled_from([f"({x}", f"{x})", f"( {x} )", x.lower()])),
        letter.flatmap(lambda x: st.sampled_from([f"({x.lower()})", f"{x}.", f"\n{x}\n", x + x])),
        text.flatmap(_cased),
        text.flatmap(_parts),
        text.map(lambda option: option.replace(" ", "_")),
        st.sampled_from([*BLANKS, "or", "not", "I", "the", "1", "100", "101", "007"]),
        st.text(max_size=3),
    )
    ends = st.text(alphabet=",.!?;:' \n", max_size=4)
    short = st.one_of(piece, letter, text.flatmap(_cased), st.just(""))
    body = st.one_of(short, _joined(piece, 3), _joined(piece))
    # White space behind a mark keeps the mark, and so the guess: rare where both are drawn freely.
    kept = st.builds(
        "".join, st.tuples(letter, st.sampled_from(",.!?;:'"), st.sampled_from([" ", "\n"]))
    )
    return st.one_of(st.builds(lambda a, b, c: a + b + c, ends, body, ends), kept)


def name_lists(vocabulary: Sequence[str]) -> st.SearchStrategy[str]:
    """Answers that list names: parts of names, names twice, names inside names and words."""
    name = st.sampled_from(vocabulary)
    inserted = st.builds(
        lambda outer, inner, at: outer[: at % len(outer)] + inner + outer[at % len(outer) :],
        name, name, st.integers(0, 30),
    )  # fmt: skip
    overlapping = st.builds(lambda a, b: a[: -1 if a[-1] == b[0] else None] + b, name, name)
    piece = st.one_of(
        name,
        name.flatmap(_cased),
        name.map(lambda text: f"{text}, {text}"),
        name.map(lambda text: text + "s"),
        name.map(lambda text: text.replace(" ", "")),
        name.flatmap(_parts),
        inserted,
        overlapping,
        st.sampled_from(["[", "]", ", ", "and", "no", *BLANKS, "background", "other ingredients"]),
        st.text(max_size=3),
    )
    bracketed = st.lists(name, max_size=8).map(lambda names: "[" + ", ".join(names) + "]")
    return st.one_of(_joined(piece), _joined(piece), bracketed, st.just(""))


def label_lists(vocabulary: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Labels of a row, all of them in the vocabulary; empty, repeated and cased ones among them."""
    name = st.sampled_from(vocabulary)
    few = st.lists(name, max_size=6)
    return st.one_of(few, few.map(lambda names: names + names[:1]), st.lists(name.flatmap(_cased)))


@st.composite
def rows(draw: st.DrawFn, vocabulary: Sequence[str]) -> tuple[list[str], str]:
    """Labels, and an answer that names some of them beside much else."""
    labels = draw(label_lists(vocabulary))
    right = [label for label in labels if draw(st.booleans())]
    return labels, ", ".join([*right, draw(name_lists(vocabulary))])


def class_texts(names: Sequence[str]) -> st.SearchStrategy[str]:
    """Answers that name classes, whole or in part, with every separator inside and around."""
    name = st.sampled_from(names)
    piece = st.one_of(
        name.flatmap(_cased),
        name.flatmap(lambda text: st.sampled_from("-_ /").map(lambda c: text.replace("-", c))),
        name.flatmap(_parts),
        name.map(lambda text: text + "s"),
        st.sampled_from(["-", "_", " ", ".", ",", "1", "x", "the", "station", *BLANKS]),
        st.text(max_size=2),
    )
    return st.one_of(_joined(piece, 4), _joined(piece), st.just(""))


def recipe_texts() -> st.SearchStrategy[str]:
    """Recipes of few and repeated words, with odd full stops and odd white space."""
    words = ["mix", "Mix", "mix,", "stir", "the", "eggs", "1", "5", "and", "salt", "\u200b"]
    word = st.one_of(st.sampled_from(words), st.sampled_from(words[:4]), st.text(max_size=3))
    stop = st.sampled_from([".", ". ", ".\n", "..", " . ", ".\n\n.", "1.5", "...", " "])
    sentence = st.builds(str.join, st.sampled_from([" ", " ", "  ", "\n", "\xa0"]), st.lists(word))
    text = st.lists(st.one_of(sentence, stop, st.sampled_from(BLANKS)), max_size=14).map("".join)
    only_stops = st.text(alphabet=". \n\xa0", max_size=6)
    nothing_else = st.text(alphabet=".", min_size=1, max_size=6)
    with_stops = st.builds(str.__add__, text, only_stops)
    return st.one_of(text, text, with_stops, only_stops, nothing_else, st.text())


@st.composite
def recipe_pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A label and a prediction of the same few words, or one text cut, reordered or blanked."""
    tangled = st.text(alphabet="aabbccd ..", min_size=3, max_size=12).map(" ".join)
    if draw(st.booleans()):
        return draw(tangled), draw(tangled)
    label = draw(recipe_texts())
    alike = st.one_of(
        st.sampled_from([label, label.strip(), label + "\n", label.lower(), label + "."]),
        st.permutations(label.split(".")).map(".".join),
        st.permutations(label.split()).map(" ".join),
        st.integers(0, len(label)).map(lambda end: label[:end]),
    )
    return label, draw(st.one_of(recipe_texts(), alike))
