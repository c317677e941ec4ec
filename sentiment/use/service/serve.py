"""A trained model as a web service: POST /predict and /explain, GET /model, GET /health, and one page."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sentiment.core import paths
from sentiment.core.files import read_json
from sentiment.evaluation.paths import EVAL_METRICS
from sentiment.model.trained.temperature import read_temperature
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.answers import LabelRule
from sentiment.use.explain import explain
from sentiment.use.model_source import find_model
from sentiment.use.predict import Predictor
from sentiment.use.service.failures import Failures
from sentiment.use.service.request_batches import BusyError, RequestBatches
from sentiment.use.service.request_limits import BodyLimits

MOST_TEXTS = 256
MOST_CHARACTERS = 20_000
_MOST_CONNECTIONS = 128
_BACKLOG = 2048
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)

OneText = Annotated[str, Field(max_length=MOST_CHARACTERS)]


class ToExplain(BaseModel):
    """What POST /explain takes: a text, and a class (the most probable one by default)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: OneText
    label: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = None


class Word(BaseModel):
    """A part of the text as the model read it; its weight in nats of log odds, null for what has none (spaces, and what was cut off)."""

    text: str
    weight: float | None


class Why(BaseModel):
    """Which words moved the decision."""

    label: str
    words: list[Word]
    completeness_error: float


class Texts(BaseModel):
    """What POST /predict takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: Annotated[list[OneText], Field(min_length=1, max_length=MOST_TEXTS)]


class TextAnswer(BaseModel):
    """The answer to one text: the label (null where there is no guess), each class's probability, and whether the text was cut."""

    label: str | None
    probabilities: dict[str, float] | None
    cut: bool


class TextAnswers(BaseModel):
    """The answers, in the order of the texts."""

    answers: list[TextAnswer]


@dataclass(frozen=True)
class Place:
    """Where the service listens."""

    host: str = "127.0.0.1"
    port: int = 8000


def make_app(predictor: Predictor, model: str, hosts: list[str], abstain_below: float = 0.0) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    predictor : Predictor
        Answers.
    model : str
        What the user calls the model.
    hosts : list of str
        Names under which the service may be asked for; ``*`` for any.
    abstain_below : float
        As for `LabelRule`.
    """
    rule = LabelRule(predictor.class_names, abstain_below=abstain_below)
    batches = RequestBatches(lambda texts: predictor.answer(texts, rule))

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        batches.start()
        yield
        await batches.stop()

    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = FastAPI(title="Sentiment", description=f"The classifier {model}", docs_url=None, redoc_url=None, lifespan=running)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_middleware(BodyLimits)
    app.add_middleware(Failures)
    app.add_exception_handler(RequestValidationError, _refuse_invalid)

    @app.post("/predict")
    async def predict(request: Texts) -> TextAnswers:
        try:
            answers = await batches.ask(request.texts)
        except BusyError:
            raise HTTPException(503, "too many texts are waiting: ask again in a second", {"Retry-After": "1"}) from None
        names = predictor.class_names
        shown = [
            TextAnswer(label=one.label, probabilities=dict(zip(names, one.probabilities, strict=True)) if one.probabilities else None, cut=one.cut)
            for one in answers
        ]
        return TextAnswers(answers=shown)

    @app.post("/explain")
    async def explain_one(request: ToExplain) -> Why:
        try:
            found = await batches.alone(lambda: explain(predictor, request.text, request.label))
        except BusyError:
            raise HTTPException(503, "too many texts are waiting: ask again in a second", {"Retry-After": "1"}) from None
        except UserError as error:
            raise HTTPException(422, str(error)) from None
        words = [Word(text=part, weight=word.weight if word else None) for part, word in found.parts()]
        return Why(label=found.label, words=words, completeness_error=found.completeness_error)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    about = describe_model(predictor, model)

    @app.get("/model")
    async def describe() -> dict[str, Any]:
        return about

    page = files("sentiment.use.service").joinpath("templates/serve.html").read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def show_page() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})

    return app


def describe_model(predictor: Predictor, model: str) -> dict[str, Any]:
    """Return what GET /model says: name, digest of the files, classes, how a text is read, temperature, metrics, card."""
    card = predictor.folder / "README.md"
    here = predictor.folder.resolve() == paths.CLASSIFIER.resolve()
    return {
        "model": model,
        "revision": predictor.key()[:16],
        "classes": predictor.class_names,
        "reads": asdict(predictor.settings),
        "temperature": asdict(read_temperature(predictor.folder)),
        "metrics": read_json(EVAL_METRICS) if here and EVAL_METRICS.is_file() else None,
        "card": card.read_text(encoding="utf-8") if card.is_file() else None,
    }


def serve(model: str, place: Place, abstain_below: float = 0.0) -> None:
    """Serve a model until the process is asked to end; requests that are under way are answered first.

    Raises
    ------
    UserError
        Where there is no such model, or the address cannot be listened on.
    """
    predictor = Predictor(find_model(model))
    hosts = [*_LOOPBACK, "[::1]"] if place.host in _LOOPBACK else ["*"]
    app = make_app(predictor, model, hosts, abstain_below)
    listening = _listen(place)
    if "*" in hosts:
        print(
            f"serve: {place.host} can be reached from other machines, without a password: docs/use.md says what to put in front of it",
            file=sys.stderr,
        )
    config = uvicorn.Config(
        app, log_level="error", access_log=False, limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=10, server_header=False
    )
    say(f"serve: http://{place.host}:{listening.getsockname()[1]} (Ctrl-C ends it)")
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once the requests are answered
        uvicorn.Server(config).run(sockets=[listening])
    say("serve: stopped")


async def _refuse_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if not request.headers.get("content-type", "").partition(";")[0].strip().endswith("json"):
        return JSONResponse({"detail": "body: send JSON, with the header Content-Type: application/json"}, status_code=415)
    # Without the input: it may be long, private, or half a character, which no answer can hold.
    errors = error.errors()[:3]
    places = [one["loc"][:-1] if one["type"] == "extra_forbidden" else one["loc"] for one in errors]
    found = [f"{'.'.join(map(str, place))}: {one['msg']}" for place, one in zip(places, errors, strict=True)]
    return JSONResponse({"detail": "; ".join(found).encode(errors="replace").decode()}, status_code=422)


def _listen(place: Place) -> socket.socket:
    """Listen: from here on a client waits, and is not refused."""
    try:
        return socket.create_server((place.host, place.port), family=socket.AF_INET6 if ":" in place.host else socket.AF_INET, backlog=_BACKLOG)
    except OSError as error:
        why = f"cannot be listened on ({str(error.strerror).partition(' (')[0]})"
        raise UserError(f"serve: {place.host}, port {place.port} {why}: name another with --host or --port") from None
