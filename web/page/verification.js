/** @import { FinalMessage } from '../client.js' */

import { fill } from './localize.js';
import { showError } from './notices.js';
import { texts } from './texts.js';

/**
 * Return whether the receipt of a session proves that the service has received what this browser
 * sent; show an error if it proves that it has not.
 *
 * @param {FinalMessage | null} final null if another client has completed the session
 */
export function isVerified(final) {
  const { result, reason = '' } = final?.verification ?? {};
  if (result === 'differs') showError(new Error(fill(texts.errors.differs, { reason })));
  return result === 'verified';
}
