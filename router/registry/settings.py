"""What an operator says about registries: only what differs from https, the system's CAs, and anonymous.

Files that are named here are read while the configuration is validated, so that a mistake in them is told with
every other mistake. Settings built by hand, without a reading context, leave that to whoever asks for the content.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, model_validator

from router.errors import ConfigurationError
from router.fields import SECRET_LIMIT, RelativePath, SettingsModel, read_reference
from router.images import canonical_registry, is_registry
from router.registry.credentials import Credentials, parse_docker_config


def _host(value: str) -> str:
    if not is_registry(value):
        raise ValueError(
            f"{value[:300]!r} is no registry; write its host, with :PORT where it has one, without scheme and path, "
            'such as "registry.example", "docker.io" or "127.0.0.1:5000"'
        )
    return canonical_registry(value)


def _read_now(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_LIMIT + 1)
    except OSError as error:
        raise ConfigurationError(f"{what} {str(path)!r} can't be read: {error.strerror}") from error
    if len(content) > SECRET_LIMIT:
        raise ConfigurationError(f"{what} {str(path)!r} is larger than {SECRET_LIMIT} bytes")
    return content


def _certificates(path: Path, content: bytes) -> str:
    advice = "write one or more certificates in PEM, -----BEGIN CERTIFICATE----- and so on"
    try:
        text = content.decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)  # refuses a text without any
    except (ValueError, ssl.SSLError) as error:
        raise ValueError(f"the CA file {str(path)!r} holds no certificate that can be read; {advice}") from error
    return text


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
        if self.ca is not None and (content := read_reference(self.ca, info, "the CA file")) is not None:
            self._ca = _certificates(self.ca, content)
        if self.credentials is not None:
            content = read_reference(self.credentials.file, info, "the credentials file")
            if content is not None:
                self._credentials = self._parsed(self.credentials.file, content)
        return self

    def _parsed(self, path: Path, content: bytes) -> Credentials:
        try:
            credentials = parse_docker_config(content)
        except ValueError as error:
            raise ValueError(f"the credentials file {str(path)!r}: {error}") from error
        if credentials and not credentials.speaks_of(self.host):  # an empty file is how tools write "anonymous"
            raise ValueError(f'the credentials file {str(path)!r} has no entry under "auths" for {self.host!r}')
        return credentials

    def authorities(self) -> str | None:
        """The PEM of `ca`, or None where the system's CAs are meant; raises ConfigurationError."""
        if self.ca is None or self._ca is not None:
            return self._ca
        try:
            return _certificates(self.ca, _read_now(self.ca, "the CA file"))
        except ValueError as error:
            raise ConfigurationError(f"registry {self.host}: {error}") from error

    def known_credentials(self) -> Credentials:
        """The credentials of the file, none where no file is named; raises ConfigurationError."""
        if self._credentials is not None:
            return self._credentials
        if self.credentials is None:
            return Credentials()
        path = self.credentials.file
        try:
            return self._parsed(path, _read_now(path, "the credentials file"))
        except ValueError as error:
            raise ConfigurationError(f"registry {self.host}: {error}") from error
