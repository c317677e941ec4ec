"""What params.yaml says of the evaluation: the section eval."""

from pydantic import Field

from sentiment.core.section import Section


class EvalParameters(Section):
    """What the eval stage reads, beside what it shares with train."""

    challenge: bool = Field(description="also report data/challenge.jsonl, by phenomenon")
    batch_size: int = Field(ge=1, description="texts a forward pass")
    bootstrap_resamples: int = Field(ge=100, le=1_000_000, description="resamples behind a 95 % interval")
    label_issues: bool = Field(description="list the training and test rows whose label looks wrong")
    explain_mistakes: int = Field(ge=0, le=100, description="confident mistakes of which the report shows the words that moved them")
    texts_in_reports: bool = Field(description="show texts in reports; false: ids alone, for private data")
