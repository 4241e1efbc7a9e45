"""Loggers by name: CSV always, W&B online with a key and offline without one, never a prompt.

Files written here carry no command line, host, user name or absolute path.
"""

from __future__ import annotations

import contextlib
import io
import logging
import netrc
import os
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from gensynth.errors import UsageError

METRICS = "metrics.csv"
EARLIER = "metrics.before-resume.csv"


def make_loggers(name: str, folder: Path, run_name: str, config: dict, *, private: bool = False) -> list[Logger]:
    """Loggers writing below `folder`; raises UsageError for a missing extra.

    private  curves of real rows go only where a name sends them: `auto` is then `csv`
    """
    if name == "none":
        return []
    if (folder / METRICS).exists():  # Lightning's CSV logger would delete what a stopped run has logged
        join_metrics(folder)
        (folder / METRICS).replace(folder / EARLIER)
    loggers: list[Logger] = [CSVLogger(folder, name="", version="")]
    if name == "wandb" or (name == "auto" and not private):
        loggers.append(_wandb(folder, run_name, config))
    if name == "tensorboard":
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError:
            raise UsageError('logger=tensorboard needs an extra: pip install "gensynth[dashboard]"') from None
    return loggers


def has_wandb_key() -> bool:
    """Whether W&B can log in by itself: a key in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False


def _wandb(folder: Path, run_name: str, config: dict) -> WandbLogger:
    """Online where there is a key and the server answers, else offline; WANDB_MODE wins."""
    mode = os.environ.get("WANDB_MODE") or ("online" if has_wandb_key() else "offline")
    for noisy in ("wandb", "wandb.sdk"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logger = _wandb_logger(folder, run_name, config, offline=mode != "online")
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # remarks on settings that Lightning passes
            _ = logger.experiment  # starts the run: a server that does not answer shows here, not after training
    except Exception as error:  # wandb raises many kinds; none may cost a run
        warnings.warn(f"W&B cannot be reached ({type(error).__name__}): logging offline", stacklevel=2)
        logger = _wandb_logger(folder, run_name, config, offline=True)
    return logger


def _wandb_logger(folder: Path, run_name: str, config: dict, *, offline: bool) -> WandbLogger:
    import wandb

    settings = wandb.Settings(
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        save_code=False,
        disable_git=True,
        console="off",
        silent=True,
        host="",
        init_timeout=30,
        program="",
        x_save_requirements=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WandbLogger(
            name=run_name, project="gensynth", save_dir=folder, offline=offline, settings=settings, config=config
        )


def close_loggers(loggers: list[Logger], folder: Path) -> None:
    """Finish every logger; drop or rename what names this machine (W&B's debug logs, TensorBoard's file names)."""
    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()
    for logs in (folder / "wandb").glob("*run-*/logs"):
        shutil.rmtree(logs, ignore_errors=True)
    for link in (folder / "wandb").glob("*"):
        if link.is_symlink() or link.suffix == ".log":
            link.unlink()
    for events in (folder / "tensorboard").glob("events.out.tfevents.*"):
        started = re.match(r"events\.out\.tfevents\.(\d+)\.", events.name)
        if started:
            events.rename(events.with_name(f"events.out.tfevents.{started[1]}.gensynth"))
    join_metrics(folder)


def join_metrics(folder: Path) -> None:
    """Put the rows logged before a resume, up to where it began, in front of those logged after."""
    earlier, later = _rows(folder / EARLIER), _rows(folder / METRICS)
    if len(earlier):
        begun = int(later["step"].iloc[0]) if len(later) else np.inf
        rows = pd.concat([earlier[earlier["step"].astype(int) < begun], later]).fillna("")
        rows.to_csv(folder / METRICS, index=False, lineterminator="\r\n")
    (folder / EARLIER).unlink(missing_ok=True)


def read_curves(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Curves of metrics.csv: name -> (samples seen, value); none where nothing was logged."""
    rows, curves = _rows(path), {}
    for name in rows.columns.drop("step", errors="ignore"):
        points = rows[rows[name] != ""]
        if len(points):
            curve = points["step"].astype(int).to_numpy(), points[name].astype(float).to_numpy()
            curves[name.removeprefix("train/")] = curve
    return curves


def _rows(path: Path) -> pd.DataFrame:
    """The cells as they were written; no rows where nothing was."""
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path, dtype=str, keep_default_na=False)
