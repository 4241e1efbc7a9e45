"""What only looks at data loads no network."""

import subprocess
import sys


def test_explore_loads_no_network(tmp_path):
    """Networks take seconds and hundreds of megabytes to load; a look at the data needs none."""
    (tmp_path / "t.csv").write_text("x,label\n" + "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(60)))
    code = (
        "import sys; from gensynth.cli.main import main; "
        f"code = main(['explore', {str(tmp_path / 't.csv')!r}, {'out=' + str(tmp_path / 'run')!r}]); "
        "heavy = {'torch', 'lightning', 'torchmetrics', 'sklearn'} & set(sys.modules); "
        "sys.exit(f'{code} {sorted(heavy)}' if code or heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
