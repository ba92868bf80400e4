"""Suggestions for wrong names: the nearest known name, or our name for another tool's word."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

LIKENESS = 0.6  # smallest similarity of two names, by difflib

# Words of mmsegmentation, Ultralytics, nnU-Net, Lightning and others -> the key here, and a remark about it.
OTHER_TOOLS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("epochs", "epoch", "num_epochs", "max_epochs", "n_epochs", "num_train_epochs"),
        ("train.steps", "which counts optimizer steps: epochs times images / batch_size"),
    ),
    **dict.fromkeys(
        ("max_iters", "max_iter", "iters", "iterations", "max_steps", "num_steps", "niter"),
        ("train.steps", "which counts optimizer steps"),
    ),
    **dict.fromkeys(("lr0", "learning_rate", "base_lr", "init_lr", "initial_lr"), ("train.lr", "")),
    **dict.fromkeys(
        ("imgsz", "img_size", "image_size", "input_size", "patch_size", "crop", "img_scale"),
        ("data.crop_size", "as [height, width]; prepare.resize changes the images themselves"),
    ),
    **dict.fromkeys(
        ("early_stopping", "early_stop", "early_stopping_patience"),
        ("train.patience", "in validations"),
    ),
    **dict.fromkeys(("batch", "bs", "samples_per_gpu", "train_batch_size"), ("train.batch_size", "")),
    **dict.fromkeys(
        ("accumulate_grad_batches", "gradient_accumulation_steps", "accumulation_steps", "grad_accum"),
        ("train.accumulate", "the parts that batch_size is divided into"),
    ),
    **dict.fromkeys(("num_workers", "n_workers", "workers_per_gpu"), ("train.workers", "")),
    **dict.fromkeys(("wd", "decay", "l2"), ("train.weight_decay", "")),
    **dict.fromkeys(("warmup", "warmup_iters", "warmup_epochs"), ("train.warmup_steps", "in steps")),
    **dict.fromkeys(("optim", "solver"), ("train.optimizer", "")),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function"), ("train.loss", "")),
    **dict.fromkeys(("amp", "fp16", "half", "bf16", "mixed_precision"), ("train.precision", "")),
    **dict.fromkeys(("gpus", "devices", "num_gpus", "world_size"), ("train.processes", "")),
    **dict.fromkeys(("hflip", "fliplr", "horizontal_flip"), ("train.flip", "")),
    **dict.fromkeys(("vflip", "flipud"), ("train.vertical_flip", "")),
    **dict.fromkeys(("degrees", "rotate", "random_rotate"), ("train.rotation", "in degrees")),
    **dict.fromkeys(("elastic_transform", "elastic_deform"), ("train.elastic", "in pixels")),
    **dict.fromkeys(("gaussian_blur", "blur_sigma"), ("train.blur", "in pixels")),
    **dict.fromkeys(("cutmix_prob", "cutmix_p"), ("train.cutmix", "")),
    **dict.fromkeys(("gaussian_noise", "noise_std"), ("train.noise", "")),
    **dict.fromkeys(("eval_interval", "val_freq", "val_every"), ("train.val_interval", "in steps")),
    **dict.fromkeys(("save_interval", "save_period"), ("train.checkpoint_interval", "in steps")),
    **dict.fromkeys(("encoder", "encoder_name", "backbone_name"), ("model.backbone", "")),
    **dict.fromkeys(("encoder_weights", "weights", "load_from"), ("model.pretrained", "")),
    **dict.fromkeys(("architecture", "decoder", "head"), ("model.arch", "")),
    **dict.fromkeys(("names", "class_names", "labels"), ("data.classes", "")),
    **dict.fromkeys(("nc", "n_classes", "num_labels"), ("data.num_classes", "")),
    **dict.fromkeys(("root", "data_dir", "data_root", "dataset", "img_dir"), ("data.path", "")),
    **dict.fromkeys(("ignore_label", "ignore", "void"), ("data.ignore_index", "")),
    **dict.fromkeys(("seed", "random_seed", "manual_seed"), ("seeds", "a list")),
    **dict.fromkeys(("project", "experiment_name"), ("publish.experiment", "")),
}  # fmt: skip


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to another; None if none is similar enough."""
    table = {item.lower(): item for item in known}
    found = get_close_matches(name.lower(), list(table), n=1, cutoff=LIKENESS)
    return table[found[0]] if found else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'X'?" for the nearest known name; empty if none is near.

    Examples:
        >>> hint("resnet5O", ["resnest101e", "resnet50"])
        " Did you mean 'resnet50'?"
    """
    found = nearest(name, known)
    return "" if found is None else f" Did you mean {found!r}?"


def hint_for_key(section: str, name: str, known: Mapping[str, Iterable[str]]) -> str:
    """Return a suggestion for an unknown key of the params, as a sentence that begins with a space.

    Args:
        section: Section of the key; empty at the top.
        name: Name of the key.
        known: Keys of each section; top-level keys are under the empty name.
    """
    own = set(known.get(section, ()))
    if name.lower() in OTHER_TOOLS:
        key, words = OTHER_TOOLS[name.lower()]
        leaf = key.rpartition(".")[2]
        # The section may have such a key: train_gan.epochs is train_gan.steps.
        key = f"{section}.{leaf}" if section and leaf in own else key
        return f" Write {key}{', ' + words if words else ''}."
    elsewhere = [f"{other}.{name}" for other, keys in known.items() if other and name in set(keys)]
    if section and name in set(known.get("", ())):
        elsewhere.append(name)
    if elsewhere:
        return f" Did you mean {' or '.join(elsewhere)}?"
    return hint(name, own)
