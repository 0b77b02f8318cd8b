"""What the training container can be told."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ListeningSettings


class KubernetesSettings(BaseModel):
    """The Jobs that trainings are in a cluster.

    A level below the others: `ORFEON_TRAINING_KUBERNETES__IMAGE`; what is no text is JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = ""
    """Image of the trainer, as services/emotion/Dockerfile.train makes it."""
    claim: str = ""
    """Volume claim that holds `home`, which is mounted at the same path as here. It has to be one
    that pods of several nodes can write: ReadWriteMany."""
    sub_path: str = ""
    """Folder in the volume that is `home`."""
    namespace: str = ""
    """Where Jobs are made; empty means this pod's own."""
    service_account: str = ""
    """Account of the trainer's pods, which need no rights; empty means the namespace's default."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the image is fetched."""
    pull_secrets: list[str] = []
    """Secrets with credentials for the registry."""
    gpus: Annotated[int, Field(ge=0)] = 1
    """GPUs of a training; 0 trains on the CPU."""
    gpu_resource: str = "nvidia.com/gpu"
    """What a GPU is called there: nvidia.com/gpu, nvidia.com/mig-1g.10gb, ..."""
    runtime_class: str = ""
    """RuntimeClass that gives containers their GPUs, where there is one."""
    node_selector: dict[str, str] = {}
    """Labels of the nodes to train on."""
    tolerations: list[dict[str, Any]] = []
    """Taints to put up with, besides the one of GPUs."""
    requests: dict[str, str] = {"cpu": "2", "memory": "4Gi"}
    """Resources that a training is promised."""
    limits: dict[str, str] = {"memory": "16Gi"}
    """Resources that it may take."""
    labels: dict[str, str] = {}
    """Labels of Jobs and their pods besides, by which policies of the network know them."""
    env: dict[str, str] = {}
    """Environment of the trainer besides: {"HF_ENDPOINT": "https://hub.example.org"}."""
    shared_memory: str = "2Gi"
    """Size of /dev/shm, through which torch's workers pass batches."""
    priority_class: str = ""
    """PriorityClass of the trainer's pods; empty means the cluster's default."""
    backoff_limit: Annotated[int, Field(ge=0)] = 3
    """How often a pod that was lost, rather than failed, is started again."""
    ttl_seconds: Annotated[int, Field(ge=0)] = 3600
    """How long a Job that has ended can still be looked at with kubectl."""
    poll_seconds: Annotated[float, Field(gt=0)] = 2
    """How often Kubernetes is asked whether a Job that was to go is gone."""


class TrainingSettings(ListeningSettings):
    """Settings of the training container.

    Read once, in `python -m services.training`, from variables named `ORFEON_TRAINING_<FIELD>`.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORFEON_TRAINING_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Annotated[Path, Field(validation_alias="ORFEON_HOME")] = Path.home() / ".orfeon"
    """Where models and state live; files and jobs lie in `training` in it."""
    runner: Literal["process", "kubernetes"] = "process"
    """Where models are trained: in child processes of this one, or in Jobs of its cluster."""
    kubernetes: KubernetesSettings = KubernetesSettings()
    """The Jobs, for the runner `kubernetes`."""
    trainer: list[str] = Field(default_factory=list)
    """Program that trains, with its first arguments; empty means the emotion service's."""
    bases: dict[str, str] = Field(default_factory=dict)
    """What may be fine-tuned beyond `whisper-tiny` and the folders in `home`/training/bases: names,
    and for each the folder or the Hugging Face repository: {"wav2vec2": "facebook/wav2vec2-base"}.
    """
    slots: Annotated[int, Field(ge=1)] = 1
    """Models trained at once."""
    trainer_threads: Annotated[int, Field(ge=0)] = 0
    """Threads of a child process that trains; 0 leaves it to the trainer. It is niced."""
    max_queued: Annotated[int, Field(ge=0)] = 1000
    """Jobs that may wait; one more is refused with 429."""
    max_file_bytes: Annotated[int, Field(gt=0)] = 512 * 2**20
    """Largest file accepted; the gateway has a setting of its own."""
    max_stored_bytes: Annotated[int, Field(gt=0)] = 10 * 2**30
    """What the files of one key may take together."""
    max_unpacked_bytes: Annotated[int, Field(gt=0)] = 10 * 2**30
    """What a training file may unpack to."""
    max_recordings: Annotated[int, Field(gt=0)] = 100_000
    """Files that a training file may hold."""
    silent_seconds: Annotated[float, Field(gt=0)] = 3600
    """A trainer that tells nothing for so long hangs: its job fails."""
    max_tries: Annotated[int, Field(ge=1)] = 5
    """How often a training may be begun, or gone on with, until its job fails."""
    look_seconds: Annotated[float, Field(gt=0)] = 0.5
    """How often a training is looked at."""
    grace_seconds: Annotated[float, Field(ge=0)] = 20
    """How long a trainer may take to leave a checkpoint when it is stopped."""
    sweep_seconds: Annotated[float, Field(gt=0)] = 60
    """How often what has expired is removed."""
    drain_seconds: Annotated[float, Field(ge=0)] = 25
    """How long running calls may go on after SIGTERM. Trainings go on at the next start."""

    @model_validator(mode="after")
    def _what_jobs_of_a_cluster_need(self) -> Self:
        if self.runner == "kubernetes":
            for name in ("image", "claim"):
                if not getattr(self.kubernetes, name):
                    raise ValueError(f"the runner kubernetes needs kubernetes.{name}")
        return self

    @property
    def folder(self) -> Path:
        """The folder of files, jobs and bases."""
        return self.home / "training"
