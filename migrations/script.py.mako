"""${message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
# Begins with its date, so that a release can tell a later revision that it does not know.
revision = ${repr(create_date.strftime("%Y%m%d") + "_" + "_".join(message.lower().split()))}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Take it back; what only it holds is lost."""
    ${downgrades if downgrades else "pass"}
