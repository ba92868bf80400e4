"""The HTTP interface of `ocrnet serve`: it answers what `ocrnet.load` predicts, and nothing else is reachable."""

import base64
import http.client
import io
import json
import os
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest
from PIL import Image

import ocrnet

from .served import Answer, Server, ask, blobs, served

pytestmark = pytest.mark.slow
SIZE = (70, 90)
MIB = 1 << 20
FLAT_MIB = 48  # largest growth of the memory after the first requests


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format=kind)
    return file.getvalue()


def post(server: Server, content: object, target: str = "/predict", **headers: str) -> Answer:
    return ask(server, "POST", target, content, **{"Content_Type": "image/png", **headers})


def label_map_of(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "P"
        return np.array(image)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_the_label_map_is_that_of_the_library(
    server: Server, bundles: Path, tmp_path: Path, kind: str
) -> None:
    content = encoded(blobs(3, SIZE), kind)
    path = tmp_path / "image"
    path.write_bytes(content)
    for name in ("1", "2"):
        found = post(server, content, f"/predict?model=bundles/{name}")
        expected = ocrnet.load(bundles / name, device="cpu").predict(path)
        assert (found.status, found.headers["content-type"]) == (200, "image/png")
        assert len(np.unique(expected)) > 1
        assert np.array_equal(label_map_of(found.content), expected)


def test_json_holds_areas_confidence_and_the_label_map(server: Server, bundles: Path) -> None:
    image = blobs(4, SIZE)
    model = ocrnet.load(bundles / "1", device="cpu")
    expected, shares = model.predict(image), model.probabilities(image)
    found = post(server, encoded(image), Accept="application/json").json
    assert (found["model"], found["height"], found["width"]) == ("bundles/1", *SIZE)
    assert np.array_equal(label_map_of(base64.b64decode(found["label_map"])), expected)
    assert found["confidence"] == pytest.approx(shares.max(axis=0).mean(), abs=1e-6)
    for index, one in enumerate(found["classes"]):
        mine = expected == index
        assert one["name"] == model.classes.class_names[index]
        assert one["pixels"] == np.count_nonzero(mine)
        assert one["share"] == pytest.approx(mine.mean(), abs=1e-6)
        assert one["confidence"] == pytest.approx(shares[index][mine].mean(), abs=1e-6)


def test_models_and_their_classes_are_told(server: Server, bundles: Path) -> None:
    first, second = ask(server, "GET", "/models").json
    card = json.loads((bundles / "2/model.json").read_text())
    assert (first["model"], second["model"]) == ("bundles/1", "bundles/2")
    assert second["weights_sha256"] == card["weights_sha256"]
    assert [one["color"] for one in second["classes"]] == ["#000000", "#800000", "#008000"]
    assert str(bundles) not in json.dumps([first, second])


@pytest.mark.parametrize(
    ("content", "target", "headers", "status", "words"),
    [
        (b"no picture", "/predict", {}, 400, "E121 the image cannot be read"),
        (b"", "/predict", {}, 400, "the body is empty"),
        (encoded(blobs(1, SIZE))[:-400], "/predict", {}, 400, "E121 the image cannot be read"),
        (b"x" * (MIB + 1), "/predict", {}, 413, "allowed are 1048576"),
        (b"x", "/predict", {"Content_Type": "text/plain"}, 415, "found 'text/plain'"),
        (b"x", "/predict", {"Accept": "text/html"}, 406, "Give image/png or application/json"),
        (b"x", "/predict?model=/etc", {}, 404, "Known: bundles/1, bundles/2"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_told_in_one_line(
    server: Server, content: bytes, target: str, headers: dict[str, str], status: int, words: str
) -> None:
    found = post(server, content, target, **headers)
    assert found.status == status
    assert words in found.error


def test_a_body_without_a_length_is_counted(server: Server) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield from [b"x" * 65536] * count

    assert post(server, chunks(17)).status == 413
    assert post(server, chunks(1)).status == 400


def test_many_pixels_in_few_bytes_are_refused_by_the_header(server: Server) -> None:
    """The file says 60,000 x 60,000 pixels: decoded they would take 10 GB."""

    def chunk(name: bytes, content: bytes) -> bytes:
        tail = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + tail

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    before = psutil.Process(server.pid).memory_info().rss
    found = post(server, bomb + chunk(b"IEND", b""))
    assert found.status == 413
    assert "60000 x 60000 pixels, allowed are 25000000" in found.error
    assert psutil.Process(server.pid).memory_info().rss - before < 20 * MIB


@pytest.mark.parametrize("size", [(5_000, 6_000), (60_000, 60_000)])
def test_too_large_images_of_other_formats_are_refused_too(
    server: Server, size: tuple[int, int]
) -> None:
    """The second is above twice the limit, where Pillow itself refuses it."""
    content = bytearray(encoded(blobs(1, SIZE), "JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", *size)
    found = post(server, bytes(content))
    assert found.status == 413
    assert found.error.startswith("E124 the image")


@pytest.mark.parametrize(
    "target",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=/etc/../etc/passwd",
        "/gradio_api/file=%2Fetc%2Fpasswd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/file=pyproject.toml",
        "/gradio_api/file//etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/static/../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
        "/monitoring",
        "/gradio_api/vibe-code",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_file_of_the_server_is_reachable(server: Server, target: str) -> None:
    found = ask(server, "GET", target)
    assert found.status == 404
    assert b"root:" not in found.content
    assert "no such address" in found.error


def test_files_below_the_folder_of_the_page_are_served_but_no_links_out_of_it(
    server: Server, tmp_path: Path
) -> None:
    (folder,) = server.log.parent.glob("ocrnet-serve-*")
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (folder / "link.png").symlink_to(secret)
    assert ask(server, "GET", f"/gradio_api/file={folder}/link.png").status == 404


def test_an_event_may_name_no_file_of_the_server(server: Server) -> None:
    """The page's own way: it would copy the file to where it is served."""
    for path in ("/etc/passwd", "../../etc/passwd", "http://127.0.0.1:1/x.png", ["/etc/passwd"]):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        event = {"data": [[file], 0, "overlay", "bundles/1", "(none)"], "fn_index": 1, "session_hash": "x"}  # fmt: skip
        body = json.dumps(event).encode()
        found = ask(server, "POST", "/gradio_api/queue/join", body, Content_Type="application/json")
        assert (found.status, path) == (403, path)
        assert "was not uploaded here" in found.error


def test_other_methods_and_long_events_are_refused(server: Server) -> None:
    assert ask(server, "GET", "/predict").status == 405
    assert ask(server, "DELETE", "/models").status == 405
    assert ask(server, "POST", "/gradio_api/run/predict", b"{}").status == 404
    assert ask(server, "POST", "/gradio_api/queue/join", b" " * (MIB + 1)).status == 413
    assert ask(server, "POST", "/gradio_api/upload", iter([b"x"])).status == 411


def test_pages_of_other_sites_cannot_use_a_server_of_this_machine(server: Server) -> None:
    """A name that resolves to 127.0.0.1, and a form that posts here."""
    assert ask(server, "GET", "/models", Host="evil.example").status == 421
    found = post(server, encoded(blobs(1, SIZE)), Origin="http://evil.example")
    assert found.status == 403
    own = f"http://localhost:{server.port}"
    host = {"Host": f"localhost:{server.port}"}
    assert post(server, encoded(blobs(1, SIZE)), Origin=own, **host).status == 200


def test_a_full_queue_is_told_with_a_time(bundles: Path, tmp_path: Path) -> None:
    content = encoded(blobs(1, SIZE))
    head = (
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode()
    with served(tmp_path, "--model", str(bundles / "1"), "--queue", "1") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
            slow.sendall(head + content[:100])  # holds the only place
            for _ in range(100):  # until the server has read the head
                if (found := post(server, content)).status != 200:
                    break
            assert found.status == 503
            assert int(found.headers["retry-after"]) >= 1
            assert "Send this one again in" in found.error
            slow.sendall(content[100:])
            answer = http.client.HTTPResponse(slow)
            answer.begin()
            assert answer.status == 200
        assert post(server, content).status == 200


def test_a_server_without_requests_leaves_the_processor_alone(server: Server) -> None:
    process = psutil.Process(server.pid)
    before = process.cpu_times()
    time.sleep(4)
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.03 * 4


def test_four_clients_lose_nothing_and_memory_stays_flat(server: Server, bundles: Path) -> None:
    images = [blobs(seed, (96, 128)) for seed in range(4)]
    model = ocrnet.load(bundles / "1", device="cpu")
    contents, expected = [encoded(one) for one in images], [model.predict(one) for one in images]

    def client(index: int, count: int) -> bool:
        return all(
            np.array_equal(label_map_of(post(server, contents[index]).content), expected[index])
            for _ in range(count)
        )

    with ThreadPoolExecutor(4) as clients:
        assert all(clients.map(client, range(4), [5] * 4))
        before = psutil.Process(server.pid).memory_info().rss
        assert all(clients.map(client, range(4), [15] * 4))
    growth = psutil.Process(server.pid).memory_info().rss - before
    assert growth < FLAT_MIB * MIB
    (folder,) = server.log.parent.glob("ocrnet-serve-*")
    assert not list(folder.glob("request-*"))
    assert os.path.getsize(server.log) < 1000
