"""The page itself: read as a browser would, it holds what it must and asks the network for nothing."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from ocrnet.errors import DataError
from ocrnet.evaluation.evaluate import evaluate
from ocrnet.gan.quality.measured import Measure, write_quality
from ocrnet.record import Recorder
from ocrnet.report import render_report, write_report
from tests.ocrnet.evaluation.evaluated import (
    NAMES,
    PALETTE,
    ColourSegmenter,
    params_of,
    write_model,
    write_world,
)

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects tags and text, and refuses tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def make(root: Path, *, names: tuple[str, ...] = NAMES) -> Path:
    write_world(root, names=names)
    params = params_of(data={"source": "demo", "path": "x", "classes": list(names)})
    out = root / "evaluate"
    evaluate(root, out, params=params, load=ColourSegmenter, recorder=Recorder(out))
    return root


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def html(world: Path) -> str:
    return write_report(world).read_text()


def test_it_shows_the_verdict_every_class_and_every_section(world: Path, html: str) -> None:
    page = Page(html)
    answer, reasons = (world / "evaluate/verdict.txt").read_text().splitlines()
    assert page.text.index(answer) < page.text.index(reasons) < page.text.index("Baseline mIoU")
    for name in NAMES:
        assert name in page.text
    sections = {attrs["id"] for tag, attrs in page.tags if tag == "h2"}
    targets = {str(attrs["href"])[1:] for tag, attrs in page.tags if tag == "a"}
    assert sections == targets
    metrics = json.loads((world / "evaluate/metrics.json").read_text())
    assert f"{100 * metrics['test/gan-0/mIoU']:.1f} %" in page.text
    assert "3 of 4" in page.text
    assert "images generated from validation label maps, 60.0 %" in page.text
    assert "too many pixels rejected" in page.text
    assert "gan/diversity" in page.text
    assert ColourSegmenter(world / "train/0").weights_sha256 in page.text
    assert "train.lr" in page.text


def test_it_needs_nothing_but_itself(html: str) -> None:
    page = Page(html)
    assert "://" not in html
    assert not re.search(r"url\(|@import|<script|<link|<iframe", html)
    sources = [str(attrs["src"]) for tag, attrs in page.tags if "src" in attrs]
    assert len(sources) == 4 * 5 + 3 * 3 + 1 * 2  # images, kept pairs, dropped pairs
    for source in sources:
        kind, content = source.split(",")
        assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.size == (32, 24)
    assert all(str(attrs["href"]).startswith("#") for _, attrs in page.tags if "href" in attrs)
    assert len(html) < 10 * 2**20


def test_it_is_readable_without_seeing_the_pictures(html: str) -> None:
    page = Page(html)
    alts = [str(attrs.get("alt") or "") for tag, attrs in page.tags if tag == "img"]
    assert all(alts)
    assert len(set(alts)) == len(alts)
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    charts = [attrs for tag, attrs in page.tags if tag == "svg" and "role" in attrs]
    assert len(charts) == 4
    assert all(attrs["aria-label"] for attrs in charts)


def test_it_names_no_place_or_time(world: Path, html: str) -> None:
    assert str(world) not in html
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b|\d\d:\d\d:\d\d", html)


def test_twice_gives_the_same_bytes_on_another_machine_too(html: str, tmp_path: Path) -> None:
    assert write_report(make(tmp_path)).read_text() == html


def test_class_names_are_escaped(tmp_path: Path) -> None:
    html = render_report(make(tmp_path, names=("ground", "<b>dent</b>", 'a"&rust')))
    page = Page(html)
    assert "<b>dent" not in html
    assert "<b>dent</b>" in page.text
    assert 'a"&rust' in page.text


def test_the_gan_is_compared_with_the_best_arm_without_a_gan(tmp_path: Path) -> None:
    write_world(tmp_path, seeds=(0, 1))
    for seed in (0, 1):
        folder = tmp_path / f"retrain/copy_paste-{seed}"
        write_model(folder, NAMES, dent=PALETTE[1], val_miou=0.9)
    params = params_of(seeds=[0, 1], retrain={"arms": ["gan", "copy_paste"]})
    out = tmp_path / "evaluate"
    evaluate(tmp_path, out, params=params, load=ColourSegmenter, recorder=Recorder(out))
    text = Page(render_report(tmp_path)).text
    headline = "The GAN pairs are not shown to help: +0.0 [+0.0, +0.0] points of mIoU against selected copy-paste"
    assert headline in text
    assert "retrained with selected copy-paste pairs" in text
    for name in ("train-0", "train-1", "gan-0", "gan-1", "copy_paste-0", "copy_paste-1"):
        assert name in text


class Tables(HTMLParser):
    """Collects the cells of every table row of a page, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._inside = self._inside or tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def test_each_arm_has_its_mean_its_seeds_and_both_differences(tmp_path: Path) -> None:
    write_world(tmp_path, seeds=(0, 1))
    for seed in (0, 1):
        folder = tmp_path / f"retrain/copy_paste-{seed}"
        write_model(folder, NAMES, dent=PALETTE[1], val_miou=0.9)
    params = params_of(seeds=[0, 1], retrain={"arms": ["gan", "copy_paste"]})
    out = tmp_path / "evaluate"
    evaluate(tmp_path, out, params=params, load=ColourSegmenter, recorder=Recorder(out))
    metrics = json.loads((out / "metrics.json").read_text())

    def share(name: str) -> str:
        return f"{100 * metrics[name]:.1f} %"

    def gain(name: str) -> str:
        value, low, high = (f"{100 * metrics[name + end]:+.1f}" for end in ("", "/low", "/high"))
        return f"{value} [{low}, {high}]"

    rows = Tables(render_report(tmp_path)).rows
    arms = {row[0]: row for row in rows if len(row) == 7}
    assert arms["gan"][2:] == [
        share("test/gan-0/mIoU"), share("test/gan-0/mIoU"), share("test/gan-1/mIoU"),
        gain("test/delta/gan/mIoU"), "+0.0 [+0.0, +0.0]",
    ]  # fmt: skip
    train = arms["train"]
    assert train[-2:] == ["-", gain("test/delta_best_non_gan/train/mIoU")]
    assert arms["copy_pastebest without a GAN"][-1] == "-"
    (dent,) = [row for row in rows if row[0] == "dent" and "[" in row[-1]]
    assert dent[1].startswith(share("test/train-0/IoU/dent") + "copy_paste -")
    assert dent[2] == (
        f"{share('test/gan-0/IoU/dent')}train {gain('test/delta/gan/IoU/dent')}copy_paste +0.0 [+0.0, +0.0]"
    )


def test_layouts_quality_and_neighbours_are_shown_where_they_are(
    world: Path, html: str, tmp_path: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(world, copy)
    shares = {
        "synthesize/share/dent": 0.2, "synthesize/train_share/dent": 0.05, "synthesize/pasted/dent": 3,
        "synthesize/operation/flip": 3, "synthesize/operation/copy_paste": 1,
    }  # fmt: skip
    (copy / "synthesize/metrics.json").write_text(json.dumps(shares))
    ground = Measure(
        name="KID", of="synthesized", value=0.125, sd=0.5, extractor="segmenter", extractor_sha256="ab" * 32,
        resize="none", n=4, reference_n=3, reference_sha256="cd", train_n=5, train_sha256="ef", resolution="24x32",
        split="val", seed=0,
    )  # fmt: skip
    kept, real, plain = (
        replace(ground, of="selected", value=0.25, n=2, reference_n=2),
        replace(ground, of="real", value=0.0625),
        replace(ground, name="SSIM", extractor=""),
    )
    measures = [ground, kept, real, plain]
    write_quality(copy / "select", measures, generator="a1")
    Image.new("RGB", (32, 24)).save(copy / "select/neighbours.jpg")
    page = render_report(copy)
    rows = Tables(page).rows
    assert ["dent", "20.0 %", "", "5.0 %", "", "4.00", "3"] in rows
    assert "Layouts by operation: copy_paste 1, flip 3." in Page(page).text
    assert [
        "KID[segmenter]",
        *("0.125 +- 0.54 vs 3", "0.25 +- 0.52 vs 2"),
        "-",
        "0.0625 +- 0.54 vs 3",
    ] in rows
    assert [row[0] for row in rows if row[0].startswith("SSIM")] == ["SSIM"]
    assert (
        "Features of segmenter (weights abababababab, resize none). Images of 24x32 pixels" in page
    )
    assert page.count("<img") == html.count("<img") + 1
    assert "KID" not in html


@pytest.mark.parametrize(
    "missing",
    ["select", "synthesize/gan", "train_gan", "select/thresholds.json", "evaluate/gallery.csv",
     "retrain/gan-0/metrics.jsonl"],
)  # fmt: skip
def test_what_is_missing_is_told(world: Path, tmp_path: Path, missing: str) -> None:
    copy = tmp_path / "data"
    shutil.copytree(world, copy)
    path = copy / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=rf"{missing}.*(missing|no manifest).*dvc repro"):
        render_report(copy)
