/** @import { SessionError, SessionEvents, State } from '../sercuescribe.js' */

/** An EventTarget with a state: it dispatches a `state` event for each change. */
export class StatefulEventTarget extends EventTarget {
  /** @type {State | null} */
  state = null;

  /** @param {State} state */
  setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit('state', { state });
  }

  get isFinished() {
    return this.state === 'completed' || this.state === 'failed';
  }

  /**
   * @template {keyof SessionEvents} Type
   * @param {Type} type
   * @param {SessionEvents[Type]['detail']} detail
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {SessionError} error */
  emitError(error) {
    this.emit('error', error);
  }
}
