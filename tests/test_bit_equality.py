"""The same seed gives the same weights and the same rows as ever: hashes recorded on one kind of machine.

`python tests/test_bit_equality.py` records them anew, which is right only where the numbers are meant to change.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from gensynth.cli import main

RECORDED = Path(__file__).parent / "recorded" / "bits.json"
RUNS = [(data, model) for data in ("digits", "breast_cancer") for model in ("cvae", "cgan")]


def arithmetic() -> str:
    """What this machine makes of convolutions, products and functions: other bits here, other weights there."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 16, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(576, 64))
    optimiser = torch.optim.AdamW(net.parameters(), fused=True)
    for _ in range(20):
        optimiser.zero_grad()
        net(torch.randn(96, 1, 8, 8)).softmax(1).square().mean().backward()
        optimiser.step()
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest()


def bits(data: str, model: str, out: Path) -> dict[str, str]:
    """Hashes of the weights of a short training and of the rows drawn from them."""
    words = ["trainer=cpu", "trainer.max_samples=2560", "logger=none", "seed=5"]
    assert main(["train", data, f"model={model}", *words, f"out={out / 'run'}"]) == 0
    weights = hashlib.sha256()
    for name, tensor in sorted(load_file(out / "run" / "generator" / "model.safetensors").items()):
        weights.update(name.encode() + tensor.tobytes())
    drawn = ["counts=30", "seed=3", f"out={out / 'rows'}", "format=" + ("npz" if data == "digits" else "csv")]
    assert main(["sample", f"generator={out / 'run' / 'generator'}", *drawn]) == 0
    ledger = pd.read_csv(out / "rows" / "ledger.csv", dtype=str, keep_default_na=False)
    rows = "\n".join(ledger["content_sha256"])
    return {"weights": weights.hexdigest(), "rows": hashlib.sha256(rows.encode()).hexdigest()}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("data", "model"), RUNS)
def test_weights_and_rows_are_those_recorded(data, model, tmp_path, one_thread):
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    if recorded["arithmetic"] != arithmetic():
        pytest.skip("the hashes were recorded on a machine whose arithmetic differs in the last bits")
    assert bits(data, model, tmp_path) == recorded[f"{data} {model}"]


def record() -> None:
    torch.set_num_threads(1)
    found: dict[str, object] = {"arithmetic": arithmetic()}
    for data, model in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            found[f"{data} {model}"] = bits(data, model, Path(folder))
    RECORDED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
