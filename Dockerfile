# The service as an image. Packages come from requirements.lock and package-lock.json, checked
# by hash; ffmpeg is Debian's.

FROM node:22-slim AS assets

WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm run --silent assets


FROM python:3.13-slim AS build

RUN python -m venv /opt/venv
COPY requirements.lock /src/
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /src/requirements.lock

COPY pyproject.toml README.md LICENSE /src/
COPY api /src/api
COPY storage /src/storage
COPY clients/js /src/clients/js
COPY clients/python /src/clients/python
COPY web /src/web
COPY --from=assets /src/web/vendor /src/web/vendor
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src /src/clients/python \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps /wheels/*.whl


FROM python:3.13-slim

# The version of ffmpeg is that of the Debian release below, with its security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/*

# The uid is fixed, so that a volume belongs to the same user in every version of the image.
RUN groupadd --gid 10001 sercuescribe \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin sercuescribe \
    && install -d -o sercuescribe -g sercuescribe /app/audio_sessions

COPY --from=build /opt/venv /opt/venv

ENV PATH=/opt/venv/bin:$PATH
ENV AUDIO_STORAGE_PATH=/app/audio_sessions
WORKDIR /app
USER 10001:10001
VOLUME /app/audio_sessions
EXPOSE 8000
STOPSIGNAL SIGTERM

# Without proxies: the check is for this container alone.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/health', timeout=2)"]

# SIGTERM is blocked until the service handles it, because the kernel drops it for process 1 until
# then. As a module, so that the service handles it before its imports.
CMD ["env", "--block-signal=TERM", "python", "-m", "api.cli", "serve", "--host", "0.0.0.0", "--port", "8000"]
