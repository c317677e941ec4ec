"""What params.yaml says of the data: the sections prepare and split."""

from typing import Annotated

from pydantic import Field

from sentiment.core.section import ClassNames, RepositoryPath, Section


class PrepareParameters(Section):
    """What the prepare stage reads."""

    source: RepositoryPath = Field(description="file or folder inside the repository (jsonl, csv, tsv, parquet)")
    text_column: str = Field(min_length=1, description="column that holds the text")
    label_column: str = Field(min_length=1, description="column that holds the label: an index or a name of `class_names`")
    group_column: str | None = Field(description="rows of one group never fall into two splits; null where there is none")
    class_names: ClassNames | None = Field(description="class of label 0, of label 1, …; null: the labels that occur, in order")
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
        description="exactly this many, class balance kept, drawn after validation is carved"
    )
    max_test_examples: Annotated[int, Field(ge=2)] | None = Field(description="exactly this many, class balance kept")
