"""Pages for the browser: the login page and the dashboard."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, render_template, request

from app.web.operation import FORM, HTML, Operation, operation
from app.web.problems import CONTENT_TYPE


def pages_blueprint(explorer_url: str | None) -> Blueprint:
    """Serve `/` and `/login`; blocks link to `explorer_url` if there is one."""
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    @operation(Operation(summary="The dashboard", answers={200: None, 303: None}, media=(HTML,)))
    def dashboard() -> str:
        return render_template("dashboard.html", explorer_url=explorer_url or "")

    @routes.get("/login")
    @operation(Operation(summary="The login page", needs="nothing", answers={200: None}, media=(HTML,)))
    def login() -> str:
        return render_template("login.html")

    routes.after_app_request(_explain_to_people)
    return routes


def _explain_to_people(answer: Response) -> Response:
    """Show who sent the form of the login page the problem on that page; status and headers stay."""
    is_form = request.endpoint == "auth.login" and request.mimetype == FORM
    if is_form and answer.content_type == CONTENT_TYPE:
        problem = msgspec.json.decode(answer.get_data())
        answer.set_data(render_template("login.html", problem=problem["detail"]))
        answer.content_type = f"{HTML}; charset=utf-8"
    return answer
