"""Run git without prompts and without the variables of a hook, by known transports, and hide secrets in its output.

`_untrusted` checks a text from outside, and git gets it after `--` or `--end-of-options`.
"""

import os
import subprocess
from pathlib import Path

from ocrnet.errors import DataError
from pipelines._command.secrets import hide_secrets, without_credentials

TRANSPORTS = ("file", "git", "http", "https", "ssh")  # none of them runs a command from the address
TIMEOUT_S = 600
HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def run_git(
    folder: Path, *arguments: str, address: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run git and return how it ended; its output holds no secret.

    Args:
        folder: Folder in which git runs.
        arguments: Arguments of git.
        address: Address with credentials, for a repository that the arguments name without them.
        environment: Further environment variables.

    Raises:
        DataError: Git is missing, or did not end in time.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, errors="replace", check=False,
            timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, env=_environment(address) | environment,
        )  # fmt: skip
    except FileNotFoundError:
        raise DataError("git: the command is not on PATH. Install git.") from None
    except subprocess.TimeoutExpired:
        raise DataError(f"git {arguments[0]} in {folder}: no answer within {TIMEOUT_S} s") from None
    done.stderr = hide_secrets(done.stderr, address)
    return done


def git(folder: Path, *arguments: str, address: str = "", **environment: str) -> str:
    """Run git and return what it prints.

    Raises:
        DataError: Git failed; the message has its last line.
    """
    done = run_git(folder, *arguments, address=address, **environment)
    if done.returncode:
        line = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise DataError(f"git {arguments[0]} in {folder}: {hide_secrets(line, address)}")
    return done.stdout.strip()


def try_git(folder: Path, *arguments: str, address: str = "") -> str | None:
    """Run git and return what it prints; None if it failed."""
    try:
        return git(folder, *arguments, address=address)
    except DataError:
        return None


def _environment(address: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name not in HOOK_VARIABLES}
    allowed = kept.get("GIT_ALLOW_PROTOCOL")
    names = [name for name in TRANSPORTS if allowed is None or name in allowed.split(":")]
    kept |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": ":".join(names)}
    clean = without_credentials(address)
    if clean == address:
        return kept
    # Passed by the environment: git would keep an argument in the clone's settings.
    number = int(kept.get("GIT_CONFIG_COUNT") or 0)
    return kept | {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"url.{address}.insteadOf",
        f"GIT_CONFIG_VALUE_{number}": clean,
    }
