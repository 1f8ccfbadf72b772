"""The words of the toy worlds, by the place a word can take in a sentence.

No word holds "no" or "yes" inside it: the published rule for closed questions looks for these two
anywhere in an answer.
"""

from __future__ import annotations


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NUMBERS = ("one", "two", "three", "four")
SIDES = ("left", "right", "top", "bottom")

KINDS = _listed("""
    quiet loud warm cold heavy light rough smooth empty full narrow wide young simple clean dusty
    spring summer autumn winter sunny rainy foggy dark calm stormy frozen tropical rustic bright
    old wooden metal glass plastic clear cloudy starry pink red green blue gray flat steep deep
    soft hard fresh dry wet sharp round tall short fast slow sweet salty plain fancy royal rural
    ct mri xray ultrasound
""")
"""What kind of view it is; the last four are kinds of scan."""

THINGS = _listed("""
    roses tulips daisies lilies cars trucks bikes vans boats fishes whales shells plates cups
    bowls pens books keys coins birds planes kites apples chairs dogs cats stars houses rings boxes
    shoes hats clocks drums leaves bottles balls circles squares triangles lamps pears plums
    horses sheep goats tents flags bells candles ladders baskets buttons stamps maps masks wheels
    ropes nails screws feathers beads lesions
""")
"""What is counted."""

VIEWS = _listed("""
    garden street sea kitchen desk sky picture room field park shop market forest river farm table
    tower castle lake hill island cave harbor village yard cellar attic hall stage tent meadow beach
    scan
""")
"""What a picture is of."""

BANDS = _listed("""
    fence wall shelf roof bar door window road bridge curtain hedge rail pillar pipe cable carpet
    blanket mirror board ledge stripe belt track ditch path beam banner screen border shadow
""")
"""What runs along a side."""

MARKS = _listed("""
    bee tree wave towel paper sun line cloud flag sign rope bell ladder basket candle kettle jar
    bucket broom hammer saw pump barrel crate cart glove scarf coat pencil ruler letter globe apple
    owl oven arrow effusion
""")
"""What is there in the centre, or is not."""


def article(word: str) -> str:
    """The indefinite article of a word."""
    # Spelt out when they are read: an m-r-i, an x-ray.
    return "an" if word[0] in "aeiou" or word in ("mri", "xray") else "a"
