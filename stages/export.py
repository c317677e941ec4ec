"""Stage 6, export: the classifier in other forms, each compared with the one in PyTorch on the test split.

Reads   models/classifier, data/split/test.parquet
Writes  models/export/ (a folder for each of export.formats; report.json and README.md say how they compare)
Run     python -m stages.export         (or: dvc repro export)

Without a format nothing is exported, and neither torch nor onnxruntime is loaded.
"""

from collections.abc import Sequence
from pathlib import Path

from sentiment.core import paths
from sentiment.core.checksums import check_files
from sentiment.core.files import replacing, write_json, write_text
from sentiment.core.tables import groups_of, labels_of, read_table
from sentiment.export.agreement import Exported, compare_answers, page
from sentiment.export.paths import EXPORT, MODEL, PAGE, REPORT
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import run_main
from sentiment.terminal.progress import progress_bar, say


def export(formats: Sequence[str], batch_size: int, resamples: int, folder: Path) -> list[Exported]:
    """Write the classifier in each format, let each answer for the test split, and compare.

    Parameters
    ----------
    formats : sequence of str
        At least one.
    batch_size, resamples : int
        As in eval.
    folder : Path
        Gets a folder for each format.
    """
    from sentiment.export.conversion import export_classifier
    from sentiment.export.onnx_reader import OnnxClassifier
    from sentiment.model.runtime import start_runtime
    from sentiment.model.text_settings import read_text_settings
    from sentiment.model.trained.reader import TextClassifier

    check_files(paths.CLASSIFIER, "train")
    check_files(paths.SPLIT, "split", ["test.parquet"])
    test = read_table(paths.SPLIT / "test.parquet")
    texts = test.column("text").to_pylist()
    descriptions = export_classifier(paths.CLASSIFIER, formats, folder)
    torch = TextClassifier(paths.CLASSIFIER, start_runtime("fp32"), read_text_settings(paths.CLASSIFIER), batch_size)
    with progress_bar("export: PyTorch", len(texts)) as bar:
        expected, _ = torch.read(texts, bar.update)
    found = []
    for description in descriptions:
        name = description.format
        exported = OnnxClassifier(folder / name, batch_size)
        with progress_bar(f"export: {name}", len(texts)) as bar:
            answers, _ = exported.read(texts, bar.update)
        agreement = compare_answers(expected, answers, labels_of(test), groups_of(test), resamples)
        found.append(Exported(name, description.fused, (folder / name / MODEL).stat().st_size, agreement))
        say(f"export: {name}: {agreement.exported_accuracy:.1%} of {len(texts)} test texts right; {agreement.verdict}")
    return found


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    formats = list(dict.fromkeys(params.export.formats))
    with replacing(EXPORT) as folder:
        folder.mkdir()
        found = export(formats, params.eval.batch_size, params.eval.bootstrap_resamples, folder) if formats else []
        write_json(folder / REPORT, {one.name: one.as_json() for one in found})
        write_text(folder / PAGE, page(found))
    if not formats:
        say("export: nothing (export.formats is empty)")


if __name__ == "__main__":
    run_main(main)
