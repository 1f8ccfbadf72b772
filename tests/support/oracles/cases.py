"""Hand-made cases for the `paper` rules, worked out from the protocol's sentences.

`proves` opens with `reading:` where the protocol leaves room and the case takes a side. The lists
here are parts of the published ones: every case has the same answer with the full lists.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One input of a rule, the value worked out by hand, and the sentence it proves."""

    rule: str
    inputs: tuple[Any, ...]
    expected: Any
    proves: str
    names: str | tuple[str, ...] = ()
    """A key of `LISTS`, or the names themselves (for `choose`, the texts of A, B, C, D)."""


CONTRACTIONS = {"dont": "don't", "isnt": "isn't", "somebody'd": "somebodyd", "yall": "y'all"}
LISTS: dict[str, tuple[str, ...]] = {
    "food101": (
        *("apple pie", "baby back ribs", "baklava", "beef carpaccio", "beef tartare"),
        *("beet salad", "beignets", "bibimbap", "bread pudding", "breakfast burrito"),
        *("bruschetta", "caesar salad", "cannoli", "caprese salad", "carrot cake"),
    ),
    "foodseg103": (
        *("milkshake", "milk", "tea", "egg", "apple", "lemon", "pear", "pineapple", "kiwi"),
        *("melon", "watermelon", "pork", "hamburg", "rice", "pie", "eggplant", "French beans"),
    ),
    "nutrition5k": (
        *("strawberries", "bacon", "potatoes", "berries", "spinach (raw)", "turkey bacon"),
        *("deprecated", "deprecated", "deprecated", "deprecated"),
    ),
    "clrs": (
        *("airport", "golf-course", "park", "parking", "port", "railway", "railway-station"),
        *("river", "storage-tank"),
    ),
    "ucmerced": ("agricultural", "denseresidential", "harbor", "parkinglot", "river"),
}


def arguments(
    case: Case, contractions: Mapping[str, str], lists: Mapping[str, Sequence[str]]
) -> tuple[Any, ...]:
    """Returns the positional arguments of the case's rule in `paper_rules`."""
    names: Sequence[str] = lists[case.names] if isinstance(case.names, str) else case.names
    if case.rule in ("normalise", "open_recall", "closed_accuracy", "floodnet_exact"):
        return (*case.inputs, contractions)
    if case.rule == "choose":
        text, row_index = case.inputs
        indices = [str(index) for index in range(len(names))]
        letters = indices if case.names == "food101" else list("ABCD")
        return text, letters, names, row_index
    return case.inputs if case.rule == "rouge_l_summary" else (*case.inputs, names)


LUNGS = ("left lung", "lung", "right lung", "heart")
_STOPS = "." * 33

NORMALISE = [
    ("left-sided, 1,000 e.g. two nodules.", "leftsided 1000 eg 2 nodules", "the worked example"),
    ("x-ray", "x ray", "a mark between words becomes a space"),
    ("none", "0", "none becomes 0"),
    ("x-ray - chest", "xray chest", "one mark beside a space: every occurrence is deleted"),
    ("left- x-ray", "left xray", "a space after the mark is enough"),
    ("left -x-ray", "left xray", "a space before the mark is enough"),
    ("x-ray\n-\nchest", "x ray chest", "a newline is not a space"),
    ("x-ray\t-\tchest", "x ray chest", "a tab is not a space"),
    ("x-ray\xa0-\xa0chest", "x ray chest", "U+00A0 is not a space, but white space"),
    ("x-ray/ct scan; t2", "x ray ct scan t2", "each mark is tested by itself"),
    ("x-ray 1,5", "xray 15", "digit-comma-digit deletes every mark"),
    ("x-ray, 1, 5", "x ray 1 5", "digit, comma, blank, digit is no digit-comma-digit"),
    ("ab-/ cd-ef", "ab cd ef", "as it came in, - stands next to / and to no space"),
    ("(left)-sided", "left sided", "a mark at the end of the text stands next to no space"),
    ("left--- right", "left right", "a run of marks beside a space is deleted whole"),
    ('b;c/d[e]f"g{h}i(j)k=l', "b c d e f g h i j k l", "the first ten marks"),
    ("l+m\\n_o-p>q<r@s`t,u?v!w", "l m n o p q r s t u v w", "the other eleven marks"),
    ("5%: it's *ok* 10:30 #1", "5%: it's *ok* 10:30 #1", "apostrophes, colons, others stay"),
    ("3.5 cm. deep", "3.5 cm deep", "a full stop before a digit stays"),
    ("size 5.", "size 5", "a full stop after a digit, before none, goes"),
    ("..5", ".5", "only the stop that a digit follows stays"),
    ("x" + "." * 34 + "y", "x..y", "the first 32 stops only"),
    (".1" * 40 + "x.", ".1" * 40 + "x", "stops before a digit do not use up the 32"),
    ("3.,5 ,x", "3.5 x", "stops come after the marks: 3.,5 has become 3.5"),
    ("3.,5 x", "3 5 x", "stops come after the marks: 3.,5 has become 3. 5"),
    ("the left a lung an", "left lung", "the words a, an, the are dropped"),
    ("the-lung", "lung", "articles are looked for after the marks"),
    ("zero one two three four five", "0 1 2 3 4 5", "number words, first half"),
    ("six seven eight nine ten eleven", "6 7 8 9 10 eleven", "number words end at ten"),
    ("someone t.wo", "someone 2", "whole words, after the stops are gone"),
    ("dont isnt", "don't isn't", "contractions, word for word"),
    ("somebody'd", "somebodyd", "exactly the file, even where it takes an apostrophe away"),
    ("don-t dont's", "don t dont's", "no contraction inside a word"),
    ("left\u2003lung \t\n right", "left lung right", "split at white space, joined by one space"),
    (" ,. ", "", "nothing may be left"),
    ("\u0661,\u0662 x-ray", "\u0661\u0662 xray", "reading: any decimal digit of Unicode"),
    ("x²,2 c-d", "x² 2 c d", "reading: a superscript is no digit"),
]
OPEN_RECALL = [
    (("left lung", "lung lung lung"), 0.75, "the worked example: the prediction's count"),
    (("Left Lung", "the left lung."), 1.0, "both sides lower-cased and normalised"),
    (("left left lung", "left"), 0.5, "a shared word adds the prediction's count, not the label's"),
    (("left left lung", "lung"), 1 / 3, "a word of the label only adds the label's count to fn"),
    (("left lung", "heart left"), 0.5, "words only in the prediction do not count"),
    (("lung", ""), 0.0, "the prediction is empty"),
    (("", "lung"), 0.0, "the label is empty"),
    (("the", "the"), 0.0, "both are empty once normalised"),
    (("one", "o" + _STOPS + "ne"), 1.0, "two passes: 33 stops go, and 1 is read in the second"),
    (("2 nodules", "Two nodules!"), 1.0, "number words"),
    (("chest x-ray", "X-ray - chest"), 1 / 3, "x ray against xray"),
]
CLOSED_ACCURACY = [
    (("no", "normal"), 1.0, "normal contains no"),
    (("yes", "normal"), 0.0, "the label is not in the prediction"),
    (("yes", "Yes and no"), 1.0, "both words score on the label yes"),
    (("no", "Yes and no"), 1.0, "both words score on the label no"),
    (("left", "left"), 0.0, "neither yes nor no in the prediction"),
    (("Left", "left, yes"), 1.0, "any label counts once yes or no is there"),
    (("no", "none"), 0.0, "none has become 0 before the look"),
    (("no", "Nothing."), 1.0, "no inside a word"),
    (("yes", "eyes"), 1.0, "yes inside a word"),
    (("No.", "NO!"), 1.0, "both sides lower-cased and normalised"),
    (("the", "no"), 1.0, "an empty label is a substring of anything"),
    (("", ""), 0.0, "an empty prediction has neither"),
    (("yes", "y" + _STOPS + "es"), 0.0, "one pass only: the 33rd stop stays"),
    (("yes", "y-es"), 0.0, "the mark becomes a space"),
    (("yes", "y-es 1,000"), 1.0, "digit-comma-digit: the mark is deleted"),
]
CHOOSE: list[tuple[tuple[str, int], tuple[str, bool], str | tuple[str, ...], str]] = [
    (("D!!!", 0), ("D", False), LUNGS, "all consecutive occurrences are stripped"),
    (("B.,", 0), ("B", False), LUNGS, "the comma goes before the full stop"),
    (("B,.", 0), ("D", True), LUNGS, "each mark once, in order: the comma stays; Random(0) is D"),
    (("B.\n", 7), ("C", True), LUNGS, "white space is never stripped; Random(7) is C"),
    (("  B", 0), ("B", False), LUNGS, "white space is never stripped, B stands between blanks"),
    ((",.!?;:'B':;?!.,", 0), ("B", False), LUNGS, "every mark in its turn, from both ends"),
    (("'.B.'", 2), ("A", True), LUNGS, "the full stop had its turn before the apostrophe"),
    (("", 1), ("B", True), LUNGS, "an empty text is guessed; Random(1) is B"),
    (("(b)", 5), ("C", True), LUNGS, "reading: (b) is not (B) either; Random(5) is C"),
    (("b", 9), ("D", True), LUNGS, "a letter is case-sensitive; Random(9) is D"),
    (("A (C) B", 0), ("C", False), LUNGS, "a letter in brackets is looked for first"),
    (("(A)(C)(A)", 0), ("A", False), LUNGS, "the last occurrence counts, not the first"),
    (("(C) or A, lung", 0), ("C", False), LUNGS, "brackets beat letters and texts"),
    (("A B", 0), ("B", False), LUNGS, "one blank may serve two letters"),
    (("B A B", 0), ("B", False), LUNGS, "the last occurrence of a letter"),
    (("A heart", 0), ("A", False), LUNGS, "the article is a letter, and letters beat texts"),
    (("a heart", 0), ("D", False), LUNGS, "no letter: the option's text"),
    (("Heart\nD\nA\n", 0), ("D", False), LUNGS, "between newlines no letter: the text heart"),
    (("LUNG", 0), ("B", False), LUNGS, "six characters with the padding; case-insensitive"),
    (("rib", 3), ("B", True), ("rib", "x", "y", "z"), "five characters with padding: no texts"),
    (("ribs", 3), ("A", False), ("rib", "x?", "y?", "z?"), "six: inside a word, too"),
    (("heart, right lung", 0), ("B", False), LUNGS, "reading: latest by where it starts"),
    (("lung mass", 0), ("A", False), ("lung", "lung mass", "x?", "y?"), "reading: the starts tie"),
    (("my heart", 0), ("B", False), ("x?", "heart", "y?", "heart"), "ties: first in option order"),
    (("lung then heart.", 0), ("D", False), LUNGS, "several texts: the latest"),
    (("heart, lung, heart", 0), ("D", False), LUNGS, "the last occurrence of a text"),
    (("I see 5 beignets", 0), ("5", False), "food101", "a free-standing number is an index first"),
    (("Beignets (5 of them)", 0), ("6", False), "food101", "(5 has no blank before it"),
    (("(12) cannoli 3", 0), ("12", False), "food101", "an index in brackets first"),
    (("CARROT CAKE, no apple pie", 0), ("0", False), "food101", "class names with spaces"),
]
MULTI_LABEL = [
    ("names_in", ("milkshake",), ["milkshake"], "a shorter name goes with the longer one"),
    ("names_in", ("milk, milkshake",), ["milkshake", "milk"], "longest first"),
    ("names_in", ("egg eggplant EGG",), ["eggplant", "egg"], "lower-cased"),
    ("names_in", ("pineapple Pineapple",), ["pineapple"], "all occurrences are deleted"),
    ("names_in", ("a spear of hamburgers",), ["hamburg", "pear"], "names inside words"),
    ("names_in", ("pilemone",), ["lemon", "pie"], "deleting joins what stood around"),
    ("names_in", ("teggea",), ["egg"], "tea had its turn before egg was deleted"),
    ("names_in", ("porkiwi",), ["kiwi"], "equal lengths: vocabulary order, not the text's"),
    ("names_in", ("french beans",), ["french beans"], "the vocabulary is lower-cased as well"),
    ("names_in", ("background, other ingredients",), [], "ids 0 and 103 are left out"),
    ("foodseg_f1", (["milk"], "milkshake"), 0.0, "milk is not recorded"),
    ("foodseg_f1", (["egg", "rice"], "Rice, egg, pork"), 0.8, "2 tp / (2 tp + fp + fn)"),
    ("foodseg_f1", ([], ""), 1.0, "zero division is 1"),
    ("foodseg_f1", ([], "egg"), 0.0, "fp only is no zero division"),
    ("foodseg_f1", (["egg"], ""), 0.0, "fn only is no zero division"),
    ("foodseg_f1", (["French beans", "french beans"], "french beans"), 1.0, "0/1 vectors"),
    ("nutrition_recall", (["deprecated"], "deprecated"), 0.0, "deprecated can never match"),
    ("nutrition_recall", (["bacon", "deprecated"], "bacon, deprecated"), 0.5, "and stays an entry"),
    ("nutrition_recall", ([], "bacon"), 1.0, "an empty label set gives recall 1"),
    ("nutrition_recall", ([], ""), 1.0, "zero division is 1"),
    ("nutrition_recall", (["bacon"], "turkey bacon"), 0.0, "the longer name takes it"),
    ("nutrition_recall", (["berries"], "strawberries, berries"), 1.0, "one is left"),
    ("nutrition_recall", (["bacon", "potatoes"], "bacon, rice"), 0.5, "recall leaves fp out"),
    ("nutrition_recall", (["spinach (raw)"], "Spinach (Raw)s"), 1.0, "no marks are removed"),
]
ROUGE_L_SUMMARY = [
    (("Mix.", "Mix.\n"), 2 / 3, "the worked example: a newline segment is one empty token"),
    (("Mix.\n", "Mix.\n"), 1.0, "the empty token counts on both sides"),
    (("", "Mix"), 0.0, "an empty label"),
    (("Mix", ""), 0.0, "an empty prediction"),
    (("...", "..."), 0.0, "reading: a text of stops only has no segment, so it is empty"),
    ((" ", "\n"), 1.0, "a text of white space only is one empty token"),
    ((" ", "Mix"), 0.0, "an empty token against a word"),
    (("Mix", "mix"), 0.0, "case-sensitive"),
    (("mix the egg", "mix egg"), 0.8, "P = 2/2, R = 2/3"),
    (("a b. c d", "c d.a b"), 1.0, "every pair of segments"),
    (("a b", "b a"), 0.5, "one word of the two is in the subsequence"),
    (("a b. b", "b a"), 0.5, "a draw goes left: b twice, a never"),
    (("b a", "a b. b"), 1.0, "rows run over the label: a from the first pair, b from the second"),
    (("a a a b", "a b"), 1.0, "distinct tokens"),
    (("a a", "a b"), 2 / 3, "distinct tokens: R = 1/1, P = 1/2"),
    (("Add 1.5 cups", "Add 1. 5 cups"), 1.0, "a decimal point splits, too"),
    (("a b", "\ta\xa0 b\n"), 1.0, "white space is collapsed and gone from both ends"),
    (("a..b", "a. .b"), 0.8, "an empty segment is dropped, a blank one is a token: P = 2/3"),
    (("Mix, stir", "Mix stir"), 0.5, "a comma belongs to its word"),
]
CLASSIFY: list[tuple[tuple[str], str | None, str | tuple[str, ...], str]] = [
    (("The railway station.",), "railway-station", "clrs", "longest name first"),
    (("RAILWAY_STATION",), "railway-station", "clrs", "reading: '-', '_', blank and case are one"),
    (("a railway, no station",), "railway", "clrs", "the name must be whole"),
    (("parking",), "parking", "clrs", "parking before park"),
    (("park near parking",), "parking", "clrs", "the last occurrence wins"),
    (("parking near a park",), "park", "clrs", "the last occurrence wins, though shorter"),
    (("railway, not railway-station",), "railway-station", "clrs", "inside a longer one: no"),
    (("airports",), None, "clrs", "word boundaries: after"),
    (("bus stop",), "bus-stop", ("stop", "bus-stop"), "inside a longer one: no, though later"),
    (("seaport",), None, "clrs", "word boundaries: before"),
    (("",), None, "clrs", "nothing to read"),
    (("ParkingLot by the river\n",), "river", "ucmerced", "the last occurrence wins"),
    (("parking lot",), None, "ucmerced", "reading: a name without a blank stays one word"),
]
FLOODNET_EXACT = [
    (("Yes", "yes."), 1.0, "normalised"),
    (("2", "two"), 1.0, "number words"),
    (("non flooded", "Non-flooded"), 1.0, "the mark becomes a space"),
    (("non flooded", "non-flooded, yes"), 0.0, "exact, not contained"),
    (("one", "o" + _STOPS + "ne"), 1.0, "reading: two passes, as for an open answer"),
]

CASES = (
    *(Case("normalise", (text,), value, proves) for text, value, proves in NORMALISE),
    *(Case("open_recall", *row) for row in OPEN_RECALL),
    *(Case("closed_accuracy", *row) for row in CLOSED_ACCURACY),
    *(Case("choose", given, value, proves, names) for given, value, names, proves in CHOOSE),
    *(
        Case(rule, given, value, proves, "nutrition5k" if "nutri" in rule else "foodseg103")
        for rule, given, value, proves in MULTI_LABEL
    ),
    *(Case("rouge_l_summary", *row) for row in ROUGE_L_SUMMARY),
    *(Case("classify", given, value, proves, names) for given, value, names, proves in CLASSIFY),
    *(Case("floodnet_exact", *row) for row in FLOODNET_EXACT),
)
