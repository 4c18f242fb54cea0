/** The player of a shared link. */

const RETRY_INTERVAL_MS = 10_000;

const player = document.querySelector('audio');
const problem = document.querySelector('#problem');
let retriedAt = -Infinity;

// A redirect to a bucket is valid for a minute only: ask this service again, and go on there.
function retry() {
  if (!player) return;
  const now = performance.now();
  if (now - retriedAt < RETRY_INTERVAL_MS) {
    problem?.removeAttribute('hidden');
    return;
  }
  retriedAt = now;
  const { currentTime, paused, playbackRate } = player;
  player.defaultPlaybackRate = playbackRate; // load() resets the rate to it
  player.load();
  player.currentTime = currentTime;
  if (!paused) player.play().catch(() => {});
}

player?.addEventListener('error', retry);
if (player?.error) retry(); // it failed before this script ran

player?.addEventListener('loadedmetadata', () => problem?.setAttribute('hidden', ''));
