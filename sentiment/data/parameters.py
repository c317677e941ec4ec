"""What params.yaml says of the data: the sections prepare and split."""

from typing import Annotated, Literal

from pydantic import Field

from sentiment.core.section import ClassNames, LabelMap, RepositoryPath, Section, SomeNames


class PrepareParameters(Section):
    """What the prepare stage reads."""

    source: RepositoryPath = Field(description="file or folder inside the repository (jsonl, json, csv, tsv, xlsx, parquet)")
    text_column: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)] = Field(
        description="column that holds the text, or several that are joined, line by line: `[title, text]`"
    )
    label_column: str = Field(min_length=1, description="column that holds the label: an index or a name of `class_names`")
    group_column: str | None = Field(description="rows of one group never fall into two splits; null where there is none")
    id_column: str | None = Field(description="column of ids, unique in a split; `id` where there is such a column; null: rows are numbered")
    split_column: str | None = Field(description="column that says train, validation or test; null: file names say it, or the split stage draws")
    class_names: ClassNames | None = Field(description="class of label 0, of label 1, …; null: the labels that occur, in order")
    label_map: LabelMap | None = Field(
        description="labels that are renamed or folded before they name a class: `{1: bad, 2: bad, 3: null, 4: good, 5: good}`; null drops the row"
    )
    drop_classes: SomeNames = Field(description="classes whose rows are dropped and counted, in every split")
    unlabelled: Literal["refuse", "drop"] = Field(description="rows without a label: an error, or dropped and counted")
    conflicts: Literal["drop", "majority"] = Field(
        description="one text with several labels: all its rows go, or one with the label of the majority stays"
    )
    strip_html: bool = Field(description="remove HTML tags and resolve entities")
    near_duplicate_threshold: Annotated[float, Field(gt=0.5, le=1.0)] | None = Field(
        description="Jaccard similarity of shingles (three words; two characters in scripts without spaces) from which two texts count as the same; "
        "null turns it off"
    )


class SplitParameters(Section):
    """What the split stage reads."""

    seed: int = Field(ge=0, lt=2**32, description="which rows or groups are drawn")
    test_size: float = Field(gt=0.0, lt=1.0, description="share of the rows, only where the source has no test split of its own")
    validation_size: float = Field(gt=0.0, lt=1.0, description="share of what remains after the test split")
    max_train_examples: Annotated[int, Field(ge=2)] | None = Field(
        description="at most this many, class balance kept, at least one row of each class, drawn after validation is carved"
    )
    max_test_examples: Annotated[int, Field(ge=2)] | None = Field(description="at most this many, class balance kept, at least one row of each class")
