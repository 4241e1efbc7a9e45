"""Loggers by name: CSV always, W&B online with a key and offline without one, never a prompt.

Files written here carry no command line, host, user name or absolute path.
"""

from __future__ import annotations

import logging
import netrc
import os
import shutil
import warnings
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from gensynth.errors import UsageError

NAMES = ("auto", "csv", "wandb", "tensorboard", "none")


def make_loggers(name: str, folder: Path, run_name: str, config: dict) -> list[Logger]:
    """Loggers writing below `folder`; raises UsageError for a missing extra."""
    if name == "none":
        return []
    loggers: list[Logger] = [CSVLogger(folder, name="", version="")]
    if name in ("auto", "wandb"):
        loggers.append(_wandb(folder, run_name, config))
    if name == "tensorboard":
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError:
            raise UsageError('logger=tensorboard needs the extra "dashboard": pip install "gensynth[dashboard]"') from None
    return loggers


def has_wandb_key() -> bool:
    """Whether W&B can log in by itself: a key in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False


def _wandb(folder: Path, run_name: str, config: dict) -> Logger:
    import wandb

    mode = os.environ.get("WANDB_MODE") or ("online" if has_wandb_key() else "offline")
    for noisy in ("wandb", "wandb.sdk"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    settings = wandb.Settings(
        x_disable_meta=True, x_disable_stats=True, x_disable_machine_info=True, save_code=False, disable_git=True,
        console="off", silent=True, host="", init_timeout=30, program="", x_save_requirements=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WandbLogger(
            name=run_name, project="gensynth", save_dir=folder, offline=mode != "online", settings=settings, config=config
        )


def close_loggers(loggers: list[Logger], folder: Path) -> None:
    """Finish every logger and drop W&B's own debug logs, which name absolute paths."""
    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()
    for logs in (folder / "wandb").glob("*run-*/logs"):
        shutil.rmtree(logs, ignore_errors=True)
    for link in (folder / "wandb").glob("*"):
        if link.is_symlink() or link.suffix == ".log":
            link.unlink()
