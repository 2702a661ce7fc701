import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("module", ["manifests", "models", "registry", "objects", "surroundings", "errors"])
def test_import_of_what_an_offline_preflight_reads_with_stays_light(module: str) -> None:
    """No Kubernetes client and no AWS client is paid for where neither is asked."""
    code = (
        f"import gate.readers.{module}, sys; "
        "print([name for name in ('kubernetes', 'boto3', 'websocket') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
