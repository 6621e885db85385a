"""Where things lie in the checkout."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
MADE = CHECKOUT / ".make"
DEMO = CHECKOUT / ".demo"
VENV_BIN = CHECKOUT / ".venv" / "bin"
NODE = CHECKOUT / "tests" / "node"
