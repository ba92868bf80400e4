"""Exported files: ONNX, and the archive of torch.export. Each carries its card."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from ocrnet.data.files import whole_file
from ocrnet.errors import ParamsError
from ocrnet.export.card import KEY, ExportCard
from ocrnet.export.network import axes_of
from ocrnet.export.trace import quiet, trace_words

OPSET = 18  # onnxruntime 1.14 and later read it
INPUT = "images"


def output_names(card: ExportCard) -> list[str]:
    """Return the names of the outputs of a file."""
    maps = ["instances"] if card.instances != "none" else []
    if card.is_raw:
        return ["logits", *maps]
    return ["label_map", *(["probabilities"] if card.probabilities else []), *maps]


def write_onnx(
    path: Path, program: ExportedProgram, card: ExportCard, *, opset: int = OPSET
) -> None:
    """Write a graph as ONNX.

    Args:
        path: Path of the file.
        program: Graph of the network.
        card: Card, for its metadata.
        opset: Version of ONNX's operators.

    Raises:
        ParamsError: An operation has no form in ONNX.
    """
    try:
        with quiet(), redirect_stdout(io.StringIO()):
            made = torch.onnx.export(
                program, (), dynamo=True, opset_version=opset, optimize=True, verbose=False,
                input_names=[INPUT], output_names=output_names(card),
            )  # fmt: skip
    except Exception as error:  # torch.onnx documents no base class of its errors
        raise ParamsError(trace_words(card, error)) from error
    assert made is not None
    proto = made.model_proto
    _name_axes(proto, card)
    set_card(proto, card)
    with whole_file(path) as partial:
        partial.write_bytes(proto.SerializeToString())


def set_card(proto: Any, card: ExportCard) -> None:
    """Put a card into the metadata of a model of ONNX, in place of what is there."""
    del proto.metadata_props[:]
    proto.metadata_props.add(key=KEY, value=card.text)


def write_program(path: Path, program: ExportedProgram, card: ExportCard) -> None:
    """Write a graph as an archive of torch.export."""
    with quiet(), whole_file(path) as partial, partial.open("wb") as file:
        torch.export.save(program, file, extra_files={KEY: card.text})


def _name_axes(proto: Any, card: ExportCard) -> None:
    """Give the free axes their names, and drop the shapes inside the graph, which only describe it."""
    graph = proto.graph
    dims = graph.input[0].type.tensor_type.shape.dim
    names = {dims[place].dim_param: name for name, place in axes_of(card).items()}
    names.pop("", None)
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = names.get(dim.dim_param, dim.dim_param)
    del graph.value_info[:]
