"""What an operator says about registries: only what differs from https, the system's CAs, and anonymous.

Files that are named here are read while the configuration is validated, so that a mistake in them is told with
every other mistake, and in no other way.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, model_validator

from router.by_reference import RelativePath, read_reference, shown_file
from router.errors import ConfigurationError
from router.fields import SettingsModel
from router.hosts import canonical_registry, is_registry
from router.pem import read_authorities
from router.registry.credentials import Credentials, parse_docker_config
from router.text import shown


def _host(value: str) -> str:
    if not is_registry(value):
        raise ValueError(  # what it is instead is not repeated: it may be a URL with a password, or a token
            f"a text of {len(value)} characters that is no registry host; write its host, with :PORT where it has one, "
            "without scheme and path, "
            'such as "registry.example", "docker.io" or "127.0.0.1:5000"'
        )
    return canonical_registry(value)


class CredentialsSettings(SettingsModel):
    """Where the credentials of a registry come from."""

    file: RelativePath
    """A docker `config.json`, relative to the configuration file: `docker login` and pull secrets write this form."""


class RegistrySettings(SettingsModel):
    """How one registry is reached."""

    host: Annotated[str, AfterValidator(_host), Field(max_length=300, examples=["registry.example", "127.0.0.1:5000"])]
    """The registry as images name it, with its port where it has one. `docker.io` is Docker Hub. Case, port 443 and
    the other names of Docker Hub make no difference, here and in images: `Registry.example:443` is
    `registry.example`."""
    plain_http: bool = False
    """Speak HTTP without TLS: whoever is on the way can answer in the registry's place and read the credentials.
    Without a port, or with 443, the registry is asked at port 80; `:80` written out is a registry of its own."""
    ca: RelativePath | None = None
    """A PEM file of the only CAs that may vouch for this registry; the system's CAs where it is absent."""
    credentials: CredentialsSettings | None = None
    """Who we are to this registry; anonymous where it is absent."""
    _ca: str | None = PrivateAttr(default=None)
    _credentials: Credentials | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        if self.plain_http and self.ca is not None:
            raise ValueError("`ca` has no meaning with `plain_http: true`; drop one of them")
        if self.ca is not None:
            self._ca = read_authorities(self.ca, info)
        if self.credentials is not None:
            content = read_reference(self.credentials.file, info, "the credentials file")
            if content is not None:
                self._credentials = self._parsed(shown_file(self.credentials.file, info), content)
        return self

    def _parsed(self, file: str, content: bytes) -> Credentials:
        try:
            credentials = parse_docker_config(content)
        except ValueError as error:
            raise ValueError(f"the credentials file {file}: {error}") from error
        if credentials and not credentials.speaks_of(self.host):  # an empty file is how tools write "anonymous"
            raise ValueError(f'the credentials file {file} has no entry under "auths" for {shown(self.host)}')
        return credentials

    def authorities(self) -> str | None:
        """The PEM of `ca`, or None where the system's CAs are meant.

        Raises:
            ConfigurationError: The file was not read with a configuration.
        """
        if self.ca is not None and self._ca is None:
            raise ConfigurationError(f"registry {self.host}: the CA file {shown(str(self.ca))} was not read")
        return self._ca

    def known_credentials(self) -> Credentials:
        """The credentials of the file, none where no file is named.

        Raises:
            ConfigurationError: The file was not read with a configuration.
        """
        if self.credentials is None:
            return Credentials()
        if self._credentials is None:
            raise ConfigurationError(f"registry {self.host}: the file {shown(str(self.credentials.file))} was not read")
        return self._credentials
