"""Remotes of DVC on local servers: S3 by moto, SSH by sshd with keys of its own."""

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

from .local_servers import HOST, QUIET, find_command, free_port, running, status, wait_for

SSHD = """
ListenAddress {host}
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Remote:
    """A remote of DVC.

    Args:
        url: its address.
        settings: what `dvc remote modify` is given.
        env: variables that a command needs to reach it.
    """

    url: str
    settings: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


@contextmanager
def run_s3(folder: Path) -> Iterator[Remote]:
    """Run a server that speaks S3, with one bucket."""
    port, log = free_port(), folder / "s3.log"
    command = [sys.executable, "-m", "moto.server", "--host", HOST, "--port", str(port)]
    address = f"http://{HOST}:{port}"
    with running(command, log, env={**os.environ, **QUIET}) as process:
        wait_for(lambda: status(f"{address}/moto-api/") == 200, process, log)
        urlopen(Request(f"{address}/team", method="PUT"), timeout=20).close()
        env = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield Remote("s3://team/dvc", {"endpointurl": address}, env)


@contextmanager
def run_ssh(folder: Path) -> Iterator[Remote]:
    """Run an SSH server that lets in the key it is given, and no password."""
    sshd, keygen = find_command("sshd", "openssh-server"), find_command("ssh-keygen", "openssh-client")  # fmt: skip
    port, log = free_port(), folder / "sshd.log"
    for name in ("host", "user"):
        options = ["-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run([keygen, *options], check=True)
    (folder / "sshd_config").write_text(SSHD.format(host=HOST, port=port, folder=folder))
    if os.getuid() == 0:  # where sshd locks in the process that talks to strangers
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running(command, log, env=os.environ) as process:
        wait_for(lambda: "Server listening" in log.read_text(), process, log)
        url = f"ssh://{getpass.getuser()}@{HOST}:{port}{folder / 'remote'}"
        yield Remote(url, {"keyfile": str(folder / "user"), "allow_agent": "false"})
