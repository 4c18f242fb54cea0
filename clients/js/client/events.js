/** An EventTarget with a state, which tells when that changes. */
export class Stateful extends EventTarget {
  state = null;

  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.tell('state', { state });
  }

  get isOver() {
    return this.state === 'completed' || this.state === 'failed';
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  report(error) {
    this.tell('error', error);
  }
}
