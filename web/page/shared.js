/** The player of a shared link. */

const player = document.querySelector('audio');
const problem = document.querySelector('#problem');
let retriedAt = -1; // the position at which the last retry started

// A redirect to a bucket is valid for a minute only: ask this service again, and go on there.
player?.addEventListener('error', () => {
  const { currentTime, paused } = player;
  if (retriedAt === currentTime) {
    problem?.removeAttribute('hidden');
    return;
  }
  retriedAt = currentTime;
  player.load();
  player.currentTime = currentTime;
  if (!paused) player.play().catch(() => {});
});
