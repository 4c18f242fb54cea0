/** @import { State } from '../sercuescribe.js' */

/** An EventTarget with a state: it dispatches a `state` event for each change. */
export class StatefulEventTarget extends EventTarget {
  /** @type {State | null} */
  state = null;

  setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit('state', { state });
  }

  get isFinished() {
    return this.state === 'completed' || this.state === 'failed';
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  emitError(error) {
    this.emit('error', error);
  }
}
