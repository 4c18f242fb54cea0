# The service as an image. Packages come from requirements.lock and package-lock.json, checked
# by hash; among them is ffmpeg, in the wheel of imageio-ffmpeg.

FROM node:22-slim AS assets

WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm run --silent assets


FROM python:3.13-slim AS build

# Litestar requires polyfactory, which makes data for tests, and does not load it in the service.
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock /src/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r /src/requirements.lock \
    && pip --python /opt/venv/bin/python uninstall --yes polyfactory faker

COPY pyproject.toml README.md LICENSE /src/
COPY api /src/api
COPY storage /src/storage
COPY clients/js /src/clients/js
COPY clients/python /src/clients/python
COPY web /src/web
COPY --from=assets /src/web/vendor /src/web/vendor
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src /src/clients/python \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps /wheels/*.whl
COPY infra/healthcheck.py /opt/venv/bin/healthcheck


FROM build AS manual

# Documents link to sources, tests and configurations, of which the manual has copies.
COPY requirements-docs.lock Makefile docker-compose*.yml Dockerfile *.md /src/
COPY docs /src/docs
COPY examples /src/examples
COPY infra /src/infra
COPY tests /src/tests
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r /src/requirements-docs.lock \
    && cd /src && /opt/venv/bin/python -m sphinx --fail-on-warning --quiet -c docs -d /tmp/doctrees . /manual


FROM python:3.13-slim AS root

# The version of tini is that of the Debian release of the base. What the service does not need is
# removed: the installer of packages, and documents except licences.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /root/.cache \
    && rm -rf /usr/local/bin/pip* /usr/bin/pip* /usr/share/python-wheels \
        /usr/local/lib/python3*/site-packages /usr/local/lib/python3*/ensurepip \
        /usr/lib/python3*/ensurepip /usr/lib/python3/dist-packages/* \
    && rm -rf /usr/share/man /usr/share/info /usr/share/locale \
    && find /usr/share/doc -type f ! -name copyright -delete

# The uid is fixed, so that a volume belongs to the same user in every version of the image. The
# group 0 may write too, for platforms that choose a uid and give it that group.
RUN groupadd --gid 10001 sercuescribe \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin sercuescribe \
    && install -d -o sercuescribe -g 0 -m 0775 /app/audio_sessions

COPY --from=build /opt/venv /opt/venv
COPY --from=manual /manual /opt/venv/lib/python3.13/site-packages/web/manual


# One layer, because a file that a layer removes stays in the layer below.
FROM scratch

# hadolint ignore=DL3067
COPY --from=root / /

ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="SercueScribe" \
    org.opencontainers.image.description="Records live audio from WebSockets without losing a sample" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"

ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    AUDIO_STORAGE_PATH=/app/audio_sessions
WORKDIR /app
USER 10001:10001
VOLUME /app/audio_sessions
EXPOSE 8000
STOPSIGNAL SIGTERM

# The OCI format has no health check: Podman takes it from the compose file or from
# `--health-cmd healthcheck`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["healthcheck"]

# tini passes signals on and reaps orphans. SIGTERM is blocked until the service handles it: the
# kernel would drop it for a process 1 that does not, and end any other process with an error. As a
# module, so that the service handles it before its imports.
ENTRYPOINT ["tini", "-s", "--"]
CMD ["env", "--block-signal=TERM", "python", "-m", "api.cli", "serve", "--host", "0.0.0.0", "--port", "8000"]
