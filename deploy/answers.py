"""Exit with 0 if a server answers: `python deploy/answers.py http://127.0.0.1:4200/api/health`.

A health page may ask for a password, as some versions of Prefect do. That counts as an answer: a probe with a password
would need it in the settings of every container.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 8.0


def answers(address: str) -> bool:
    """Tell whether the server at an address works, even if it asks for a password."""
    try:
        urllib.request.urlopen(address, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1]) else 1)
