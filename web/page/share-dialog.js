/** @import { ApiClient } from './api-client.js' */
/** @import { Session, SharedLink } from './types.js' */

import { openDialog } from './dialogs.js';
import { createElement, setText } from './elements.js';
import { codeOf, messageOf } from './errors.js';
import { formatClock, formatDateTime, formatName } from './format.js';
import { fill } from './localize.js';
import { readPart, ShareForm } from './share-form.js';
import { texts } from './texts.js';

/**
 * Show the shared links of a completed session; make and revoke links.
 *
 * @param {Session} session
 * @param {ApiClient} api
 */
export function showSharing(session, api) {
  new ShareDialog(session, api).open();
}

class ShareDialog {
  #session;
  #api;
  #form;
  #problem = createElement('p', { className: 'warning', hidden: true });
  #made = createElement('div', { className: 'made', hidden: true });
  #status = createElement('p', { className: 'hint' });
  #links = createElement('ul', { className: 'links' });

  /**
   * @param {Session} session
   * @param {ApiClient} api
   */
  constructor(session, api) {
    this.#session = session;
    this.#api = api;
    this.#form = new ShareForm(session.duration_seconds);
    this.#problem.setAttribute('role', 'alert');
    this.#status.setAttribute('role', 'status');
  }

  open() {
    const { share } = texts;
    const { dialog } = openDialog(fill(share.title, { name: formatName(this.#session) }), [
      createElement('p', { className: 'hint', textContent: share.text }),
      ...this.#form.elements,
      createElement('button', { value: 'make', className: 'primary', textContent: share.make }),
      this.#problem,
      this.#made,
      createElement('h3', { textContent: share.links }),
      this.#links,
      this.#status,
      createElement('div', { className: 'buttons' }, [
        createElement('button', { value: '', textContent: texts.shortcuts.close }),
      ]),
    ]);
    dialog.addEventListener('submit', (event) => {
      const { submitter } = event;
      if (!(submitter instanceof HTMLButtonElement) || submitter.value !== 'make') return;
      event.preventDefault();
      this.#run(() => this.#make());
    });
    this.#run(() => this.#list());
  }

  /**
   * Show the error of an action in the dialog: notices are behind it.
   *
   * @param {() => Promise<void>} action
   */
  async #run(action) {
    this.#problem.hidden = true;
    try {
      await action();
    } catch (error) {
      const isRefused = codeOf(error) === 'not_allowed';
      setText(this.#problem, isRefused ? texts.share.refused : messageOf(error));
      this.#problem.hidden = false;
    }
  }

  async #make() {
    const part = readPart(this.#form, this.#session.duration_seconds);
    const { url } = await this.#api.share(this.#session.session_id, {
      expires_in_seconds: this.#form.lifetimeSeconds,
      ...part,
      ...this.#form.format,
    });
    this.#showAddress(url);
    await this.#list();
  }

  /** @param {string} url */
  #showAddress(url) {
    const { share } = texts;
    const address = createElement('input', { type: 'text', value: url, readOnly: true });
    address.setAttribute('aria-label', share.address);
    const copy = createElement('button', { type: 'button', textContent: share.copy });
    copy.addEventListener('click', () =>
      this.#run(async () => {
        address.select(); // for a page without access to the clipboard
        await navigator.clipboard.writeText(url);
        setText(this.#status, share.copied);
      }),
    );
    const hint = createElement('p', { textContent: share.made });
    this.#made.replaceChildren(hint, address, copy);
    this.#made.hidden = false;
    setText(this.#status, '');
    copy.focus();
  }

  async #list() {
    const { links } = await this.#api.sharedLinks(this.#session.session_id);
    const items = links.reverse().map((link) => this.#createItem(link)); // the newest first
    const none = createElement('li', { textContent: texts.share.none });
    this.#links.replaceChildren(...(items.length > 0 ? items : [none]));
  }

  /** @param {SharedLink} link */
  #createItem(link) {
    const text = describeLink(link, this.#session.duration_seconds);
    const revoke = createElement('button', { type: 'button', textContent: texts.share.revoke });
    revoke.setAttribute('aria-label', fill(texts.share.revokeLink, { link: text }));
    revoke.addEventListener('click', () => this.#run(() => this.#revoke(link)));
    return createElement('li', {}, [createElement('span', { textContent: text }), revoke]);
  }

  /** @param {SharedLink} link */
  async #revoke({ link_id: id }) {
    await this.#api.revokeLink(this.#session.session_id, id);
    this.#made.hidden = true; // it may be the address of this link
    setText(this.#status, texts.share.revoked);
    await this.#list();
  }
}

/**
 * @param {SharedLink} link
 * @param {number} durationSeconds of the recording
 */
function describeLink({ expires_at: end, start, end: partEnd, format }, durationSeconds) {
  const isEnded = Date.parse(end) < Date.now();
  const text = isEnded ? texts.share.ended : texts.share.active;
  const hasPart = start !== null || partEnd !== null;
  const part = [start ?? 0, partEnd ?? durationSeconds].map((seconds) => formatClock(seconds));
  const facts = [fill(text, { date: formatDateTime(end) }), (format ?? 'wav').toUpperCase()];
  return [...facts, ...(hasPart ? [part.join('–')] : [])].join(' · ');
}
