"""The usual names of the splits of a published set.

A name that clearly means one split counts as that split. The caller refuses a name that only looks like a split: if
it were ignored, a new split would be drawn, and published test images could be used for training.
"""

import re

SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_WORD = re.compile(
    r"(?:train(?:ing|aug)?|(?:mini)?val(?:id(?:ation)?)?|test(?:ing)?|dev|holdout|eval(?:uation)?)+"
)
_TABLE = re.compile(r"(?:splits?|folds?|partitions?)")
_BESIDE = re.compile(
    r"(?:(?:sub)?sets?|splits?|data(?:set)?|images?|imgs?|lists?|ids?|files?|names?|parts?|folds?|the|of|and|for|[a-z])"
)


def split_named(name: str) -> str | None:
    """Return the split that a name means, in any case, or None if it does not clearly mean one."""
    word = name.casefold()
    return next((split for split, words in SPELLINGS.items() if word in words), None)


def looks_like_split(name: str) -> bool:
    """Return whether a name looks like a split: `train2017` and `trainval` do, `train_station` does not."""
    words = re.findall(r"[^\W\d_]+", name.casefold())
    spoken = [word for word in words if _WORD.fullmatch(word)]
    return bool(spoken) and all(_WORD.fullmatch(word) or _BESIDE.fullmatch(word) for word in words)


def looks_like_table(name: str) -> bool:
    """Return whether a name looks like one table of all splits: `splits`, `fold_ids`, `eval_partition`."""
    words = re.findall(r"[^\W\d_]+", name.casefold())
    return any(_TABLE.fullmatch(word) for word in words) and all(
        _TABLE.fullmatch(word) or _BESIDE.fullmatch(word) or _WORD.fullmatch(word) for word in words
    )
