"""Words that a program, a shell or a file system would act on, for the tests of what comes from outside."""

from pathlib import Path

from hypothesis import strategies as st

MARK = "PWNED"  # a file that must not come into being
COMMANDS = (f"touch {MARK}", f"touch${{IFS}}{MARK}", f"sh -c 'touch {MARK}'")
OPTIONS = (
    "--upload-pack={}; git-upload-pack", "--exec={}", "-oProxyCommand={}", "-c core.sshCommand={}", "--prune",
    "--config=core.pager={}", "--output=" + MARK, "--first", "-v", "--", "-", "--help",
)  # fmt: skip
SHELLS = (
    "; {}", "x; {}", "$({})", "`{}`", "x | {}", "x && {}", "x\n{}", "'; {}; '", '"; {}; "', "0 > " + MARK, "x & {} &",
)  # fmt: skip
PATHS = (
    f"../{MARK}", f"../../x/{MARK}", f"/tmp/{MARK}", f"~/{MARK}", "..", "a/../../b", f"file:///{MARK}", f"C:\\{MARK}",
)  # fmt: skip
ADDRESSES = (
    "ext::sh -c {}", "ext::sh% -c% touch% " + MARK, "fd::17", "ssh://-oProxyCommand={}/x", "transport::x",
    "ssh://git@-oProxyCommand={}/x", "-oProxyCommand={}:x", "git@-oProxyCommand={}:x", "ftp://x/y",
    "https://ann:secret@host.invalid/x",
)  # fmt: skip
OTHERS = (
    "", " ", "\0", "a\0b", "\u202e", "\ud800", "a" * 5000, "HEAD~1", "@{-1}", ":/x", "*", "%00", "\x1b[2J",
)  # fmt: skip


def words() -> st.SearchStrategy[str]:
    """Return words that look like options, shell, paths and addresses, and any others."""
    patterns = st.sampled_from((*OPTIONS, *SHELLS, *PATHS, *ADDRESSES))
    filled = st.builds(lambda word, do: word.replace("{}", do), patterns, st.sampled_from(COMMANDS))
    return st.sampled_from(OTHERS) | filled | st.builds("{}{}".format, filled, st.text(max_size=8))


def marks(*folders: Path) -> list[Path]:
    """Return the files that a word has made."""
    found = (path for folder in (*folders, Path.cwd()) for path in folder.rglob(f"{MARK}*"))
    return [path for path in found if not path.name.endswith(".lock")]  # of a clone that was tried
