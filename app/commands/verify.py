"""`utxoracle verify`: the application's own part of the acceptance test."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.declaration import Settings
    from app.services.acceptance import Finding
    from app.services.acceptance_checks import AcceptanceChecks


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def verify(context: click.Context, *, as_json: bool) -> None:
    """Look at every part of the appliance; leave with 2 if one is wrong, with 78 if the settings are.

    Each check is made even when others fail. Warnings, as for an upstream that is away, do not fail it.
    """
    from app.services import acceptance  # noqa: PLC0415 - as in app.commands
    from app.services.storage import StorageError  # noqa: PLC0415

    environ: dict[str, str] = context.obj
    try:
        settings = configuration.load(environ)
    except configuration.ConfigurationError as error:
        _report([acceptance.Finding("settings", "failed", str(error))], as_json=as_json)
        context.exit(configuration.EXIT_CONFIGURATION)
    findings = [acceptance.Finding("settings", "ok", "complete and well-formed")]
    try:
        findings += acceptance.examine(_checks(settings, configuration.Directories.of(environ)).all())
    except StorageError as error:
        findings.append(acceptance.Finding("database", "failed", str(error)))
    _report(findings, as_json=as_json)
    context.exit(configuration.EXIT_DONE if acceptance.is_accepted(findings) else configuration.EXIT_FAILED)


def _checks(settings: Settings, directories: configuration.Directories) -> AcceptanceChecks:
    from app.adapters.bitcoind import rpc_client  # noqa: PLC0415 - as in app.commands
    from app.adapters.database.accounts import DatabaseAccounts, DatabaseRevokedTokens  # noqa: PLC0415
    from app.adapters.database.engine import open_database  # noqa: PLC0415
    from app.adapters.database.heartbeats import DatabaseHeartbeats  # noqa: PLC0415
    from app.adapters.database.prices import DatabasePriceHistory  # noqa: PLC0415
    from app.adapters.own_api import OwnApi  # noqa: PLC0415
    from app.adapters.own_stream import OwnStream  # noqa: PLC0415
    from app.services.acceptance_checks import AcceptanceChecks, Signing  # noqa: PLC0415
    from app.services.detector_report import DetectorView  # noqa: PLC0415
    from app.services.whales.listening import OFF  # noqa: PLC0415

    database = open_database(configuration.database_url(settings, directories))
    return AcceptanceChecks(
        storage=database,
        accounts=DatabaseAccounts(database),
        revoked=DatabaseRevokedTokens(database),
        prices=DatabasePriceHistory(database, ring=lambda: None),
        api=OwnApi(settings.api_host, settings.api_port),
        stream=OwnStream(settings.websocket_host, settings.websocket_port),
        node=rpc_client(
            settings.bitcoin_rpc_url,
            settings.bitcoin_rpc_cookie_file,
            settings.bitcoin_rpc_user,
            settings.bitcoin_rpc_password,
        ),
        detector=DetectorView(
            DatabaseHeartbeats(database),
            partial(datetime.now, UTC),
            is_stream_wanted=OFF not in {settings.zmq_rawtx_url, settings.zmq_sequence_url},
        ),
        has_rpc_user=settings.bitcoin_rpc_user is not None,
        signing=Signing(settings.jwt_secret_key, settings.jwt_algorithm),
    )


def _report(findings: Sequence[Finding], *, as_json: bool) -> None:
    from app.services.acceptance import is_accepted  # noqa: PLC0415 - as in app.commands

    if as_json:
        checks = [
            {"name": each.name, "status": each.status, "ok": each.status != "failed", "message": each.message}
            for each in findings
        ]
        click.echo(json.dumps({"ok": is_accepted(findings), "checks": checks}))
        return
    width = max(len(each.name) for each in findings)
    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    for each in findings:
        status = click.style(f"{each.status:8}", fg=colours[each.status])
        click.echo(f"{status}{each.name:{width}}  {each.message}")
