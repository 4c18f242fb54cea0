/** @import { Timeline, TimelineEvent } from './types.js' */

import { formatClock } from './format.js';
import { fill } from './localize.js';
import { texts } from './texts.js';

/**
 * Return what happened in a recording, in its order: marks, pauses and gaps.
 *
 * @param {Timeline} timeline
 * @param {number} sampleRate in Hz
 * @returns {TimelineEvent[]}
 */
export function timelineEvents({ marks, pauses, gaps }, sampleRate) {
  const { pause, openPause, gap } = texts.timeline;
  /** @type {TimelineEvent[]} */
  const events = [
    ...marks.map(({ frame, label }) => eventAt(frame, 'mark', label)),
    ...pauses.map(({ frame, seconds }) =>
      eventAt(frame, 'pause', fillLength(seconds === null ? openPause : pause, seconds)),
    ),
    ...gaps.map(({ frame, seconds }) => eventAt(frame, 'gap', fillLength(gap, seconds))),
  ];
  return events.sort((a, b) => a.seconds - b.seconds);

  /**
   * @param {number} frame
   * @param {TimelineEvent['kind']} kind
   * @param {string} text
   */
  function eventAt(frame, kind, text) {
    return { seconds: frame / sampleRate, kind, text };
  }
}

/**
 * @param {string} text
 * @param {number | null} seconds
 */
function fillLength(text, seconds) {
  return fill(text, { length: formatClock(seconds ?? 0, { tenths: true }) });
}
