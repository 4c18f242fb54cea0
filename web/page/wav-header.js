/** The parameters of a WAV file, from its first bytes (Multimedia Programming Interface 1.0). */

export const WAV_HEADER_BYTES = 4096;

const SUPPORTED_SAMPLE_RATES = [8000, 16000, 22050, 44100, 48000, 96000]; // by the service
const [CHUNK_HEADER_BYTES, FORM_HEADER_BYTES, MIN_FORMAT_BYTES] = [8, 12, 16];

/**
 * Return the rate and the channels of a WAV file, so that its samples are recorded unchanged; null
 * for other files, and for parameters that the service does not record.
 *
 * @param {ArrayBuffer} bytes the first 4 KiB of the file
 */
export function wavParameters(bytes) {
  const view = new DataView(bytes);
  const isWav = ['RIFF', 'RF64'].includes(textAt(view, 0)) && textAt(view, 8) === 'WAVE';
  if (!isWav) return null;
  let at = FORM_HEADER_BYTES;
  while (at + CHUNK_HEADER_BYTES + MIN_FORMAT_BYTES <= view.byteLength) {
    const size = view.getUint32(at + 4, true);
    if (textAt(view, at) === 'fmt ') {
      const channels = view.getUint16(at + CHUNK_HEADER_BYTES + 2, true);
      const sampleRate = view.getUint32(at + CHUNK_HEADER_BYTES + 4, true);
      const isSupported = SUPPORTED_SAMPLE_RATES.includes(sampleRate) && [1, 2].includes(channels);
      return isSupported ? { sampleRate, channels } : null;
    }
    at += CHUNK_HEADER_BYTES + size + (size % 2); // chunks have an even size
  }
  return null;
}

/**
 * @param {DataView} view
 * @param {number} at
 */
function textAt(view, at) {
  if (at + 4 > view.byteLength) return '';
  return String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
}
