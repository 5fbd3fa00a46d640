# syntax=docker/dockerfile:1
# Bases are pinned by digest at release: replace the tags below by NAME:TAG@sha256:DIGEST, as printed by
#   skopeo inspect --format '{{.Name}}@{{.Digest}}' docker://docker.io/library/python:3.13-slim
# (docs/installation.md, "The image"). A tag alone is a moving target.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements.lock ./
# --only-binary: nothing is compiled here, so no compiler is needed in any stage.
RUN python -m venv /opt/build \
    && python -m venv --without-pip /opt/gatecrier \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: --requirement requirements.lock \
    && /opt/build/bin/pip --python /opt/gatecrier/bin/python install --require-hashes --only-binary :all: --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY router router
COPY templates templates
COPY config config
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/gatecrier/bin/python install --no-deps /wheels/*.whl \
    && /opt/build/bin/pip --python /opt/gatecrier/bin/python uninstall --yes hatchling editables pathspec pluggy trove-classifiers

FROM ${BASE} AS final
LABEL org.opencontainers.image.title="gatecrier" \
      org.opencontainers.image.description="Verifies container images at the Kubernetes gate and loses no alert about what it decided" \
      org.opencontainers.image.licenses="Apache-2.0"
# The base's own pip is a build tool, too.
RUN python -m pip uninstall --yes pip \
    && mkdir -p /var/lib/gatecrier && chown 65532:65532 /var/lib/gatecrier
COPY --from=build /opt/gatecrier /opt/gatecrier
ENV PATH=/opt/gatecrier/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /var/lib/gatecrier
VOLUME ["/var/lib/gatecrier"]
EXPOSE 8443 9090
# Kubernetes uses its own probes; this one is for whoever runs the image elsewhere.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9090/healthz', timeout=2)"]
ENTRYPOINT ["gatecrier"]
CMD ["serve", "--config", "/etc/gatecrier/gatecrier.yaml"]
