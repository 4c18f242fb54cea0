/** @import { SessionClient as Client, SessionOptions, SessionEvents } from '../sercuescribe.js' */

import { MicrophoneSource } from './microphone-source.js';
import { SessionClient } from './session-client.js';

const TEMPLATE = `
<style>
  :host { display: inline-flex; align-items: center; gap: 0.5em; }
  :host([hidden]) { display: none; }
  button { font: inherit; }
</style>
<button part="button" type="button"></button>
<meter part="level" max="1" aria-label="Level"></meter>
<output part="state"></output>
`;

/**
 * `<sercuescribe-recorder>`: a button that records the microphone into a session.
 *
 * Attributes: `url`, by default the service that this module comes from; `recording-title`;
 * `record-label`, `stop-label`. `options` has any other option of a `SessionClient`. The event
 * `recorded` has the final message as its detail; `error` and `state` are those of the client.
 * An element that is removed from its page finishes its recording.
 */
export class RecorderElement extends HTMLElement {
  static observedAttributes = ['record-label', 'stop-label'];

  /** @type {Partial<SessionOptions>} For example `token` and `store`. */
  options = {};
  /** @type {Client | null} */
  client = null;
  #shadow;

  constructor() {
    super();
    this.#shadow = this.attachShadow({ mode: 'open' });
    this.#shadow.innerHTML = TEMPLATE;
    this.#button.onclick = () => this.#toggle();
    this.#showLabel();
  }

  attributeChangedCallback() {
    this.#showLabel();
  }

  disconnectedCallback() {
    if (this.client) this.stop();
  }

  get isRecording() {
    return this.client !== null;
  }

  /** Start to record; settles when the microphone has started. */
  async start() {
    if (this.client) return;
    const url = this.getAttribute('url') ?? new URL('..', import.meta.url).href;
    const title = this.getAttribute('recording-title') ?? undefined;
    /** @type {Client} */
    const client = new SessionClient({ url, title, ...this.options });
    this.client = client;
    this.#showLabel();
    this.#forwardEvents(client);
    try {
      await client.start(new MicrophoneSource());
    } catch {
      // The client has told of it as an `error` event.
      this.#end(client);
    }
  }

  /** Finish the recording; settles when all of it is persisted. */
  async stop() {
    const { client } = this;
    if (!client) return;
    this.#button.disabled = true;
    try {
      const detail = await client.stop();
      this.dispatchEvent(new CustomEvent('recorded', { detail, bubbles: true, composed: true }));
    } catch {
      // As above.
    }
    this.#end(client);
  }

  #toggle() {
    if (this.client) this.stop();
    else this.start();
  }

  /** @param {Client} client */
  #forwardEvents(client) {
    client.addEventListener('level', ({ detail }) => { this.#level.value = detail.peak; });
    client.addEventListener('state', ({ detail }) => {
      this.#state.textContent = detail.state;
      this.#dispatch('state', detail);
      if (detail.state === 'failed') this.#end(client);
    });
    client.addEventListener('error', ({ detail }) => {
      this.#dispatch('error', detail);
      this.#state.textContent = detail.message;
    });
  }

  /**
   * @template {keyof SessionEvents} Type
   * @param {Type} type
   * @param {SessionEvents[Type]['detail']} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {Client} client */
  #end(client) {
    if (this.client !== client) return;
    this.client = null;
    this.#button.disabled = false;
    this.#level.value = 0;
    this.#showLabel();
  }

  #showLabel() {
    const [attribute, text] = this.client ? ['stop-label', 'Stop'] : ['record-label', 'Record'];
    this.#button.textContent = this.getAttribute(attribute) ?? text;
  }

  get #button() {
    return /** @type {HTMLButtonElement} */ (this.#shadow.querySelector('button'));
  }

  get #level() {
    return /** @type {HTMLMeterElement} */ (this.#shadow.querySelector('meter'));
  }

  get #state() {
    return /** @type {HTMLOutputElement} */ (this.#shadow.querySelector('output'));
  }
}

customElements.define('sercuescribe-recorder', RecorderElement);
