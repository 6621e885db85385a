"""A node can deploy onto itself, with inventory.example as it stands but for the demonstration's settings."""

from __future__ import annotations

import io
import tarfile

import pytest

from tests.e2e.operator import CHECKOUT, Operator, inventory

NEEDED = ("playbooks", "roles", "templates", "app", "migrations", "requirements", "alembic.ini", "ansible.cfg")
REGTEST = {
    "settings_bitcoin_network=main": "settings_bitcoin_network=regtest",
    # The demonstration may be asked more often than others.
    "settings_bitcoin_rpc_url=http://127.0.0.1:8332": "settings_bitcoin_rpc_url=http://127.0.0.1:18443\n"
    "settings_rate_limit_per_minute=2000",
}
HERE = "/root/local-deploy"


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator(inventory())


def _archive() -> bytes:
    example = (CHECKOUT / "inventory.example").read_text(encoding="utf-8")
    for line, regtest in REGTEST.items():
        assert line in example
        example = example.replace(line, regtest)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in (*NEEDED, "pyproject.toml"):
            tar.add(CHECKOUT / name, name, filter=lambda each: None if "__pycache__" in each.name else each)
        entry = tarfile.TarInfo("inventory.ini")
        entry.size = len(example.encode())
        tar.addfile(entry, io.BytesIO(example.encode()))
    return buffer.getvalue()


def test_from_the_node_itself_there_is_nothing_left_to_change(operator: Operator) -> None:
    operator.send(_archive(), f"rm -rf {HERE}; mkdir {HERE}; tar -xz --no-same-owner -C {HERE}")
    version = operator.root(f"sed -n 's/^ansible-core==\\([0-9.]*\\).*/\\1/p' {HERE}/requirements/dev.txt | head -1")
    try:
        operator.root(f"python3 -m venv {HERE}/venv; {HERE}/venv/bin/pip -q install ansible-core=={version}")
        said = operator.root(
            f"cd {HERE}; LC_ALL=C.UTF-8 venv/bin/ansible-playbook -i inventory.ini playbooks/deploy.yml || true"
        )
    finally:
        operator.root(f"rm -rf {HERE}")
    assert "failed=0" in said, said
    assert "changed=0" in said, said
    assert "checks passed." in said, said
