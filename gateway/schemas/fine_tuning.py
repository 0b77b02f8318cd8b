"""Fine-tuning jobs, in OpenAI's shape, with what a classifier of audio needs besides."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, Priority, ServiceTier, Text

Auto = Literal["auto"]
Label = Annotated[Text, Field(min_length=1, max_length=64)]


class Hyperparameters(JsonRequest):
    """How a model is trained; `auto` leaves it to the trainer."""

    n_epochs: Annotated[int, Field(ge=1, le=50)] | Auto = "auto"
    batch_size: Annotated[int, Field(ge=1, le=256)] | Auto | None = "auto"
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=1e4)] | Auto = "auto"


class Supervised(JsonRequest):
    """Training by examples that are labelled."""

    hyperparameters: Hyperparameters | None = None


class Method(JsonRequest):
    """How a model learns: here, by examples that are labelled."""

    type: Literal["supervised"]
    supervised: Supervised | None = None


class Classifier(JsonRequest):
    """What the classifier shall be; ours. All may be left out."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    method: Annotated[
        Literal["full", "head"] | None,
        Field(description="All weights, or a small head on an encoder that stays."),
    ] = None
    classifies: Annotated[
        Label | None, Field(description="What the labels tell: emotion, intent, ...")
    ] = None
    labels: Annotated[
        list[Label],
        Field(max_length=256, description="Those that the examples must have, and no others."),
    ] = Field(default_factory=list)
    drop: Annotated[
        list[Label], Field(max_length=256, description="Labels whose examples are left out.")
    ] = Field(default_factory=list)
    merge: Annotated[
        dict[Label, Label], Field(max_length=128, description="Labels that become another one.")
    ] = Field(default_factory=dict)
    split: Annotated[
        Literal["speaker", "random"] | None,
        Field(description="What is held out to test with: speakers, or any examples."),
    ] = None
    augment: Annotated[
        bool | None, Field(description="Whether examples are degraded as they are learnt.")
    ] = None
    speech: Annotated[
        bool | None,
        Field(description="Whether people speak in them; left out, as `classifies` says."),
    ] = None


Metadata = Annotated[
    dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]],
    Field(max_length=16, description="Notes of your own."),
]


class FineTuningRequest(JsonRequest):
    """A model to train."""

    model: Annotated[Text, Field(min_length=1, max_length=256, description="What to start from.")]
    training_file: Annotated[
        Text,
        Field(
            min_length=1,
            max_length=100,
            description="Id of a file: a zip or tar.gz of recordings, in folders that are their "
            "labels or with a table `metadata.csv` (path, label, speaker).",
        ),
    ]
    validation_file: Annotated[
        Text | None,
        Field(max_length=100, description="Id of a file of the same kind that is held out."),
    ] = None
    hyperparameters: Annotated[
        Hyperparameters | None,
        Field(description="OpenAI's older place for them.", json_schema_extra={"deprecated": True}),
    ] = None
    method: Method | None = None
    suffix: Annotated[
        Text | None, Field(min_length=1, max_length=64, description="Part of the model's name.")
    ] = None
    seed: Annotated[int | None, Field(ge=0, le=2_147_483_647)] = None
    integrations: Annotated[
        list[Any] | None, Field(max_length=0, description="None are known here.")
    ] = None
    metadata: Metadata | None = None
    classifier: Classifier | None = None
    priority: Priority = None
    service_tier: ServiceTier = None

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    after: Annotated[Text, Field(max_length=100)] = ""


class Hyper(TypedDict):
    """The hyperparameters of a job."""

    n_epochs: int | Auto
    batch_size: int | Auto
    learning_rate_multiplier: float | Auto


class SupervisedMethod(TypedDict):
    """Of a job that learns by labelled examples."""

    hyperparameters: Hyper


class JobMethod(TypedDict):
    """How a job learns."""

    type: Literal["supervised"]
    supervised: SupervisedMethod


class JobFailure(TypedDict):
    """Why a job failed: for programs, for people, and the field at fault, if one is."""

    code: str
    message: str
    param: str | None


class JobClassifier(TypedDict):
    """What the classifier shall be; null is the trainer's choice."""

    method: Literal["full", "head"] | None
    classifies: str | None
    labels: list[str]
    drop: list[str]
    merge: dict[str, str]
    split: Literal["speaker", "random"] | None
    augment: bool | None
    speech: bool | None


class FineTuningJob(TypedDict):
    """One job. Times are in Unix seconds.

    `fine_tuned_model` names the model once it is there; `trained_tokens` is always null, since
    recordings have none.
    """

    object: Literal["fine_tuning.job"]
    id: str
    model: str
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    fine_tuned_model: str | None
    organization_id: str
    result_files: list[str]
    status: Literal[
        "validating_files", "queued", "running", "succeeded", "failed", "cancelled", "paused"
    ]
    training_file: str
    validation_file: str | None
    hyperparameters: Hyper
    method: JobMethod
    trained_tokens: None
    error: JobFailure | None
    seed: int
    integrations: list[Any]
    metadata: dict[str, str] | None
    classifier: JobClassifier


class JobPage(TypedDict):
    """The jobs of the key that asks, the newest first."""

    object: Literal["list"]
    data: list[FineTuningJob]
    has_more: bool


class JobEvent(TypedDict):
    """Something that happened in a job; one with figures is of type `metrics`."""

    object: Literal["fine_tuning.job.event"]
    id: str
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, float]


class EventPage(TypedDict):
    """What happened in a job, the newest first."""

    object: Literal["list"]
    data: list[JobEvent]
    has_more: bool


class JobCheckpoint(TypedDict):
    """A state that the training can be gone on from. It is no model that can be asked."""

    object: Literal["fine_tuning.job.checkpoint"]
    id: str
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: dict[str, float]


class CheckpointPage(TypedDict):
    """The checkpoints of a job, the newest first."""

    object: Literal["list"]
    data: list[JobCheckpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool
