"""What is installed here and what is wrong: a block to paste into a report of a fault."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from gensynth import __version__

PACKAGES = (
    *("torch", "lightning", "hydra-core", "torchmetrics", "numpy", "scikit-learn", "pandas", "pyarrow", "pillow"),
    *("safetensors", "kornia", "imbalanced-learn", "jinja2", "wandb"),
)
EXTRAS = {
    **{"audio": "soundfile", "dashboard": "tensorboard", "fairness": "fairlearn", "privacy": "opacus"},
    "xlsx": "openpyxl",
}
BAD_LIGHTNING = ("2.6.2", "2.6.3")


def doctor() -> int:
    """Print facts and problems; 0 where there are no problems, 6 otherwise."""
    for line in facts():
        print(line)
    found = problems()
    for line in found:
        print(f"problem: {line}")
    print("all well" if not found else f"{len(found)} problems")
    return 6 if found else 0


def facts() -> list[str]:
    """Versions, device, tracking, free disk; no user, host or path."""
    import torch

    from gensynth.training.loggers import has_wandb_key

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    lines = [f"gensynth {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"]
    lines += [f"{name} {version(name) or 'missing'}" for name in PACKAGES]
    lines += [f"extra {name}: {'yes' if version(package) else 'no'}" for name, package in EXTRAS.items()]
    lines.append(f"device: {device}; free disk here: {free:.1f} GiB")
    lines.append(f"W&B: {'online (a key was found)' if has_wandb_key() else 'offline (no key)'}")
    return lines


def problems() -> list[str]:
    """Everything that will not work, each with what to do."""
    found = [f"{name} is not installed: pip install gensynth" for name in PACKAGES if not version(name)]
    if sys.version_info >= (3, 14) or sys.version_info < (3, 11):
        found.append("Python must be 3.11 to 3.13")
    if version("lightning") in BAD_LIGHTNING:
        found.append("this release of lightning was malicious: pip install 'lightning>=2.6.6' and change your secrets")
    if importlib.util.find_spec("torchvision") and not _imports("torchvision"):
        found.append("torchvision does not match torch and breaks lightning: pip uninstall torchvision")
    if not _writable():
        found.append("the current folder cannot be written: choose out= elsewhere")
    return found


def version(package: str) -> str:
    """Installed version, or an empty text."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:  # a mismatched build raises RuntimeError, OSError or ImportError
        return False
    return True


def _writable() -> bool:
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return True
    except OSError:
        return False
