"""The server: models, page and interface on one port, until Ctrl-C."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click

from ocrnet.errors import ParamsError, ServerError
from pipelines._serve.access import VARIABLE, Access, find_access

MIB = 1 << 20
GRACE_S = 3  # open connections of pages end after that


@dataclass(frozen=True)
class ServeRequest:
    """What the user wants; the fields have the names of the options.

    Args:
        models: Names of the models; the first is the default.
        host: Address to listen on.
        port: Port; 0 takes a free one.
        password_file: File with the password; None: the variable of the environment, if it is set.
        max_mib: Largest image file, in MiB.
        keep_mib: Most that uploads and pictures of the page have together, in MiB.
        queue: Most images of one model that are being predicted or wait.
        device: One of cpu, cuda and cuda:N; None: CUDA if there is a GPU.
        gan: Folder of a trained GAN; None: the page has no editor.
        data: Folder of the outputs of the stages.
    """

    models: tuple[str, ...]
    host: str
    port: int
    password_file: Path | None
    max_mib: int
    keep_mib: int
    queue: int
    device: str | None
    gan: Path | None
    data: Path


def serve(request: ServeRequest) -> None:
    """Serve models until Ctrl-C.

    Raises:
        ParamsError: An option is wrong, Gradio is not installed, or others could reach the server without a password.
        DataError: The registry does not have a version.
        BundleError: A bundle or the GAN is missing, damaged or from another program.
        StoreError: MLflow is not installed or does not answer.
        ServerError: The port is in use, or the address is not one of this machine.
    """
    if find_spec("gradio") is None:
        raise ParamsError("gradio is not installed. Run: pip install 'ocrnet[serve]'")
    access = find_access(request.host, request.password_file)
    os.environ.pop(VARIABLE, None)
    with (
        _listening(request.host, request.port) as door,
        tempfile.TemporaryDirectory(prefix="ocrnet-serve-") as folder,
    ):
        _run(request, access, door, Path(folder).resolve())


def _run(request: ServeRequest, access: Access, door: socket.socket, folder: Path) -> None:
    _quiet(folder)
    import uvicorn

    from pipelines._serve.application import build_application
    from pipelines._serve.edits import load_edits
    from pipelines._serve.models import load_models

    _end_on_sigterm()
    click.echo("serve: loading ...", err=True)
    models = load_models(request.models, device=request.device, queue=request.queue)
    edits = None if request.gan is None else load_edits(request.gan, models, request.data, folder)
    app = build_application(
        models, access=access, folder=folder, max_bytes=request.max_mib * MIB,
        max_kept=request.keep_mib * MIB, data=request.data, edits=edits,
    )  # fmt: skip
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, ws="none", server_header=False,
        timeout_graceful_shutdown=GRACE_S, timeout_keep_alive=20,
    )  # fmt: skip
    host = f"[{request.host}]" if ":" in request.host else request.host
    click.echo(f"serve: http://{host}:{door.getsockname()[1]} (Ctrl-C ends it)", err=True)
    try:
        uvicorn.Server(config).run(sockets=[door])
    except KeyboardInterrupt:
        return


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take the port before anything slow is done.

    Raises:
        ServerError: The port is in use, or the address is not one of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"--host: found {host!a} ({error}). Give an address of this machine.") from None  # fmt: skip
    with door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(address)
            door.listen(128)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ServerError(
                f"{host}:{port}: {reason}. Give another --port, or an address of this machine as --host."
            ) from None
        door.set_inheritable(True)
        yield door


def _quiet(folder: Path) -> None:
    """Let Gradio ask nobody for anything, and keep its files in one folder; it reads this when it is imported."""
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_TEMP_DIR=str(folder),
        GRADIO_SHARE="False",
        GRADIO_SSR_MODE="False",
        GRADIO_RUN_HISTORY="False",
        GRADIO_MCP_SERVER="False",
        HF_HUB_OFFLINE="1",
    )


def _end_on_sigterm() -> None:
    """End on SIGTERM as on Ctrl-C, so that the folder of the files is deleted."""

    def end(number: int, frame: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
