"""What an operator says about the cluster's API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import PrivateAttr, ValidationInfo, model_validator

from router.by_reference import RelativePath, read_reference, shown_file
from router.errors import ConfigurationError
from router.fields import SettingsModel, reading_context
from router.kubernetes.access import FILE_LIMIT, Access, in_cluster
from router.kubernetes.kubeconfig import access_by


class KubeconfigSettings(SettingsModel):
    """A kubeconfig: read with the configuration, and again when it changes."""

    kubeconfig: RelativePath
    """The file. Certificates, `token` and `tokenFile` are taken; programs that log in (`exec`) are refused."""
    context: str | None = None
    """The name of a context in it; absent: its `current-context`."""
    _access: Access | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        content = read_reference(self.kubeconfig, info, "the kubeconfig", FILE_LIMIT)
        if content is not None and (reading := reading_context(info)) is not None:
            folder = (reading.folder / self.kubeconfig).parent

            def read(path: Path) -> bytes:
                return read_reference(path, info, "the file", FILE_LIMIT) or b""

            try:
                self._access = access_by(content, self.context, folder, read)
            except ValueError as error:
                raise ValueError(f"the kubeconfig {shown_file(self.kubeconfig, info)}: {error}") from error
        return self

    @property
    def access(self) -> Access:
        """What it says; raises ConfigurationError where it was not read with a configuration."""
        if self._access is None:
            raise ConfigurationError(f"{self.kubeconfig} was not read")
        return self._access


class KubernetesSettings(SettingsModel):
    """How the cluster's API is asked."""

    api: Literal["in-cluster"] | KubeconfigSettings = "in-cluster"
    """As the service account of our Pod, or by a kubeconfig."""
    events: bool = False
    """Whether Kubernetes Events tell, on an object or its controller, that its images were refused or would be."""

    def access(self, environment: Mapping[str, str]) -> Access:
        """Where the API server is, and who we are; raises ClusterError where this is no Pod although it should be."""
        return in_cluster(environment) if self.api == "in-cluster" else self.api.access
