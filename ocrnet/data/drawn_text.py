"""Text in pictures: what the font of Pillow cannot draw, it would draw as boxes.

A font of the machine is never taken: the pictures of a stage would differ from machine to machine, and with them the
hashes by which DVC finds a stage's outputs.
"""

from functools import cache

from PIL import ImageFont

MISSING = "\U0010ffff"  # no font has it
SIZE = 14


def class_label(name: str, class_id: int) -> str:
    r"""Return the name of a class, or its number if the font cannot draw the name.

    Examples:
        >>> class_label("crack", 1), class_label("\u80cc\u666f", 0)
        ('crack', 'class 0')
    """
    return name if all(map(_is_drawable, name)) else f"class {class_id}"


def drawable(text: str) -> str:
    r"""Return a text with a question mark for each character that the font cannot draw.

    Examples:
        >>> drawable("part_\u53f0_2")
        'part_?_2'
    """
    return "".join(one if _is_drawable(one) else "?" for one in text)


@cache
def _is_drawable(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return _picture(character) not in (_picture(MISSING), b"")


@cache
def _picture(character: str) -> bytes:
    mask = ImageFont.load_default(SIZE).getmask(character)
    return b"" if 0 in mask.size else bytes(mask) + bytes(str(mask.size), "ascii")
