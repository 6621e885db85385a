"""Every table, by concept; importing this package makes `Base.metadata` complete."""

from app.adapters.database.base import Base
from app.adapters.database.tables.accounts import ApiTokenRow, RevokedTokenRow, UserRow
from app.adapters.database.tables.events import EventLogIdentityRow, EventRow
from app.adapters.database.tables.heartbeats import HeartbeatRow
from app.adapters.database.tables.labels import LabelRow
from app.adapters.database.tables.mempool import BlockFlowRow, FeeSnapshotRow
from app.adapters.database.tables.predictions import CorrelationRow, PredictionOutcomeRow
from app.adapters.database.tables.prices import PriceRow
from app.adapters.database.tables.webhooks import WebhookDeliveryRow, WebhookEndpointRow
from app.adapters.database.tables.whales import WhaleRow

__all__ = [
    "ApiTokenRow",
    "Base",
    "BlockFlowRow",
    "CorrelationRow",
    "EventLogIdentityRow",
    "EventRow",
    "FeeSnapshotRow",
    "HeartbeatRow",
    "LabelRow",
    "PredictionOutcomeRow",
    "PriceRow",
    "RevokedTokenRow",
    "UserRow",
    "WebhookDeliveryRow",
    "WebhookEndpointRow",
    "WhaleRow",
]
