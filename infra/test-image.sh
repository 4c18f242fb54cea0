#!/usr/bin/env bash
# Build the image, run it, and check what infra/README.md promises of it. Needs a Docker engine and
# Docker Compose. It skips nothing: what it cannot do fails, with the reason.
#
#   infra/test-image.sh
#   BUILD_OPTIONS="--network host" infra/test-image.sh    options of `docker build`
#
# Containers share one network namespace without a network, so no port of this machine is used.
# Only the compose files publish ports: free ones of 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."

LARGEST_MEGABYTES=450
STOP_SECONDS=10
IMAGE=sercuescribe
NAME="sercuescribe-test-$$"
WORK="$(mktemp -d)"
HARDENED=(--read-only --cap-drop ALL --security-opt no-new-privileges --user 54321:0)

fail() { echo "FAIL: $*" >&2; exit 1; }
pass() { echo "pass: $*"; }

clean_up() {
    docker rm --force --volumes "$NAME-network" "$NAME" "$NAME-stop" >/dev/null 2>&1 || true
    docker volume rm "$NAME" >/dev/null 2>&1 || true
    if [ -n "${COMPOSE:-}" ]; then
        $COMPOSE --project-name "$NAME" --env-file infra/s3.env -f docker-compose.yml \
            -f docker-compose.cluster.yml down --volumes >/dev/null 2>&1 || true
    fi
    rm -rf "$WORK"
}
trap clean_up EXIT

# await SECONDS DESCRIPTION COMMAND …: wait until the command succeeds.
await() {
    local deadline=$((SECONDS + $1)) description="$2"
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "no $description in time"
        sleep 0.1
    done
}

has_health() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = "$2" ]; }
has_ended() { [ "$(docker inspect --format '{{.State.Status}}' "$1")" = exited ]; }

start_service() {
    docker run --detach --name "$NAME" --network "container:$NAME-network" \
        --volume "$NAME:/app/audio_sessions" --env AUTH_MODE=none "$@" "$IMAGE" >/dev/null
    await 60 "healthy service" has_health "$NAME" healthy
}

# A client in a container of its own, which outlives the service.
client() { docker run --rm --interactive --network "container:$NAME-network" "$IMAGE" "$@"; }

record_pcm() { client sercuescribe record - --format wav --sample-rate 22050 --channels 1 --json; }

session_of() { grep -o '"session_id": *"[^"]*"' "$1" | tail -1 | cut -d '"' -f 4; }

# same_audio SESSION PCM: the recording, behind its header of 80 bytes, is exactly this audio.
same_audio() {
    # shellcheck disable=SC2016 # for the shell in the container
    client sh -c 'sercuescribe download "$0" --output /tmp/a.wav >&2 && tail -c +81 /tmp/a.wav' "$1" \
        >"$WORK/got" 2>"$WORK/log" || fail "cannot download $1: $(cat "$WORK/log")"
    cmp --silent "$WORK/got" "$2"
}

require() { command -v "$1" >/dev/null || fail "$2"; }

check_tools() {
    require docker "there is no docker: install a Docker engine"
    docker info >/dev/null 2>&1 || fail "no Docker engine answers: start one, or set DOCKER_HOST"
    if docker compose version >/dev/null 2>&1; then COMPOSE="docker compose"
    elif docker-compose version >/dev/null 2>&1; then COMPOSE=docker-compose
    else fail "there is no Docker Compose 2: install its plugin"; fi
    tail -c +45 tests/data/speech.wav >"$WORK/pcm"
}

build() {
    # shellcheck disable=SC2086 # several options
    docker build ${BUILD_OPTIONS:-} --tag "$IMAGE" \
        --build-arg VERSION="$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
        --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || true)" . >"$WORK/build.log" 2>&1 \
        || fail "the image cannot be built:"$'\n'"$(tail -n 20 "$WORK/build.log")"
    pass "the image builds"
}

check_contents() {
    local megabytes
    megabytes=$(($(docker image inspect --format '{{.Size}}' "$IMAGE") / 1000000))
    [ "$megabytes" -le "$LARGEST_MEGABYTES" ] || fail "the image has $megabytes MB"
    pass "the image has $megabytes MB, at most $LARGEST_MEGABYTES"

    local ffmpegs forbidden labels
    ffmpegs=$(docker run --rm --network none --user 0 "$IMAGE" \
        find / -xdev -type f -name 'ffmpeg*' -perm /111 | wc -l)
    [ "$ffmpegs" = 1 ] || fail "the image has $ffmpegs ffmpegs"
    pass "the image has one ffmpeg"

    forbidden=$(docker run --rm --network none --user 0 "$IMAGE" \
        find / -xdev -type d ! -path '/proc/*' \( -name pip -o -name ensurepip -o -name faker \
        -o -name polyfactory -o -name pytest -o -name _pytest -o -name moto -o -name setuptools \))
    [ -z "$forbidden" ] || fail "the image has packages that the service does not need: $forbidden"
    pass "the image has no installer and no packages for tests"

    labels=$(docker image inspect --format '{{json .Config.Labels}}' "$IMAGE")
    for label in title description licenses version revision; do
        grep -q "\"org.opencontainers.image.$label\":\"[^\"]" <<<"$labels" \
            || fail "the label $label is missing or empty: $labels"
    done
    pass "the image has OCI labels"
}

check_recording() {
    docker run --detach --name "$NAME-network" --network none "$IMAGE" sleep 3600 >/dev/null
    docker volume create "$NAME" >/dev/null
    start_service "${HARDENED[@]}"
    pass "healthy with a read-only root, no capability, no new privileges and a random user"

    # The last two come from stages of their own.
    local path
    for path in / /vendor/swagger-ui.css /manual; do
        client python - "http://127.0.0.1:8000$path" 2>"$WORK/log" \
            <<<'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' \
            || fail "$path does not answer: $(tail -n 1 "$WORK/log")"
    done
    pass "the service has the page, third-party scripts and the manual"

    record_pcm <"$WORK/pcm" >"$WORK/session" 2>"$WORK/log" || fail "cannot record: $(cat "$WORK/log")"
    same_audio "$(session_of "$WORK/session")" "$WORK/pcm" || fail "the recording is not exact"
    pass "a recording is exact"

    client sercuescribe record - --sample-rate 48000 --json <tests/data/browsers/chromium-250ms.webm \
        >"$WORK/webm" 2>"$WORK/log" || fail "cannot record WebM: $(cat "$WORK/log")"
    docker logs "$NAME" 2>&1 | grep -q 'audio was not recorded' && fail "ffmpeg failed: $(docker logs "$NAME" 2>&1)"
    pass "ffmpeg decodes WebM under the same limits"

    docker restart "$NAME" >/dev/null
    await 60 "healthy service after a restart" has_health "$NAME" healthy
    same_audio "$(session_of "$WORK/session")" "$WORK/pcm" || fail "a restart changed the recording"
    pass "the recording survives a restart"
}

# The client sends half, the service is killed and started again, the client sends the rest.
check_kill() {
    local half=$(($(stat --format %s "$WORK/pcm") / 2))
    mkfifo "$WORK/input"
    record_pcm <"$WORK/input" >"$WORK/killed" 2>"$WORK/log" &
    local recorder=$!
    exec 3>"$WORK/input"
    head -c "$half" "$WORK/pcm" >&3
    await 30 "session with audio" audio_arrived
    docker kill --signal KILL "$NAME" >/dev/null
    await 10 "end of the killed service" has_ended "$NAME"
    docker start "$NAME" >/dev/null
    tail -c +$((half + 1)) "$WORK/pcm" >&3
    exec 3>&-
    wait "$recorder" || fail "the client did not finish: $(cat "$WORK/log")"
    same_audio "$(session_of "$WORK/killed")" "$WORK/pcm" || fail "kill -9 lost audio"
    pass "kill -9 in the middle of a recording loses nothing"
    docker stop "$NAME" >/dev/null
    [ "$(docker inspect --format '{{.State.ExitCode}}' "$NAME")" = 0 ] || fail "docker stop: not 0"
    pass "docker stop ends the service with 0"
}

audio_arrived() {
    client sercuescribe sessions list --json | grep '"active"' | grep -q '"total_chunks": *[1-9]'
}

# check_stop DESCRIPTION OPTIONS … -- COMMAND …: SIGTERM at every stage of the start.
check_stop() {
    local description="$1" options=() delay code
    shift
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    for delay in 0 0.05 0.1 0.2 0.3 0.5 0.8 1.2 2; do
        docker run --detach --name "$NAME-stop" --network none --env AUTH_MODE=none \
            "${options[@]}" "$IMAGE" "$@" >/dev/null
        sleep "$delay"
        docker kill --signal TERM "$NAME-stop" >/dev/null
        await "$STOP_SECONDS" "end $delay s after the start, $description" has_ended "$NAME-stop"
        code=$(docker inspect --format '{{.State.ExitCode}}' "$NAME-stop")
        [ "$code" = 0 ] || fail "SIGTERM $delay s after the start, $description: exit code $code"
        docker rm --volumes "$NAME-stop" >/dev/null
    done
    pass "SIGTERM at any moment of the start ends with 0, $description"
}

check_compose() {
    local files
    for files in "-f docker-compose.yml" \
        "--env-file infra/s3.env -f docker-compose.yml" \
        "--env-file infra/s3.env -f docker-compose.yml -f infra/compose.minio.yml" \
        "--env-file infra/s3.env -f docker-compose.yml -f docker-compose.cluster.yml"; do
        # shellcheck disable=SC2086 # several options
        $COMPOSE $files config --quiet || fail "Compose refuses $files"
    done
    pass "Compose accepts the files"

    export APP_ADDRESS=127.0.0.1:0 STORE_ADDRESS=127.0.0.1:0 BALANCER_ADDRESS=127.0.0.1:0
    local image
    for image in chrislusf/seaweedfs:4.48 haproxy:3.2; do
        docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null \
            || fail "the image $image is neither here nor can it be pulled"
    done
    run_profile "on a volume" http://localhost:8000
    run_profile "in a bucket" http://localhost:8000 --env-file infra/s3.env
    run_profile "with three nodes" http://balancer:8000 --env-file infra/s3.env \
        -f docker-compose.yml -f docker-compose.cluster.yml
}

# run_profile DESCRIPTION SERVER OPTIONS …: record through the address, with these files.
run_profile() {
    local description="$1" server="$2" compose
    shift 2
    compose="$COMPOSE --project-name $NAME $*"
    $compose up --detach --no-build --wait >"$WORK/log" 2>&1 \
        || fail "Compose does not start, $description: $(cat "$WORK/log"; $compose logs)"
    $compose exec -T app sercuescribe record - --server "$server" --format wav --sample-rate 22050 \
        --channels 1 --json <"$WORK/pcm" >"$WORK/session" 2>"$WORK/log" \
        || fail "cannot record, $description: $(cat "$WORK/log")"
    if [ "$#" -gt 0 ]; then
        $compose run --rm --no-deps bucket-init sercuescribe doctor >"$WORK/log" 2>&1 \
            || fail "doctor: $(cat "$WORK/log")"
    fi
    $compose stop >/dev/null 2>&1
    docker inspect --format '{{.State.ExitCode}}' "$NAME-app-1" | grep -qx 0 \
        || fail "Compose does not stop the service in order, $description"
    $compose down --volumes >/dev/null 2>&1
    pass "Compose runs the service, $description"
}

check_tools
build
check_contents
check_recording
check_kill
check_stop "under the init of the image" --
check_stop "under the init of Docker" --init --
check_stop "as process 1" --entrypoint env -- \
    --block-signal=TERM python -m api.cli serve --host 0.0.0.0 --port 8000
check_compose
