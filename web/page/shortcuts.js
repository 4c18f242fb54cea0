import { openDialog } from './dialogs.js';
import { createElement, findElement } from './elements.js';
import { withErrorNotice } from './notices.js';
import { texts } from './texts.js';

const DISABLED_STORAGE_NAME = 'sercuescribe shortcuts off';
// These elements use keys themselves.
const KEY_USERS = 'input:not([type=checkbox]), select, textarea, dialog';
const CLICKED_BY_SPACE = 'button, summary, input, a';

/** @typedef {keyof typeof texts.shortcuts.keys} Action */

/** @type {Record<string, Action>} */
const ACTION_BY_KEY = {
  r: 'record',
  p: 'pause',
  m: 'mark',
  ' ': 'play',
  j: 'back',
  l: 'forward',
  '<': 'slower',
  '>': 'faster',
  '+': 'zoomIn',
  '-': 'zoomOut',
  u: 'upload',
  '?': 'help',
};

/**
 * Keyboard shortcuts, with a help sheet in which they can be switched off: people who dictate to
 * their computer type keys by accident (WCAG 2.2, 2.1.4).
 */
export class Shortcuts {
  #actions;

  /** @param {Record<Exclude<Action, 'help'>, () => unknown>} actions */
  constructor(actions) {
    this.#actions = { ...actions, help: () => this.showHelp() };
    document.addEventListener('keydown', (event) => this.#handleKey(event));
    const help = findElement(document, '#help', HTMLButtonElement);
    help.addEventListener('click', () => this.showHelp());
  }

  /** Show the keys. */
  showHelp() {
    const rows = Object.entries(ACTION_BY_KEY).map(([key, action]) =>
      createElement('div', {}, [
        createElement('dt', {}, [createElement('kbd', { textContent: nameOfKey(key) })]),
        createElement('dd', { textContent: texts.shortcuts.keys[action] }),
      ]),
    );
    const enabled = createElement('input', { type: 'checkbox', checked: isEnabled() });
    enabled.addEventListener('change', () => {
      if (enabled.checked) localStorage.removeItem(DISABLED_STORAGE_NAME);
      else localStorage.setItem(DISABLED_STORAGE_NAME, 'true');
    });
    const label = createElement('span', { textContent: texts.shortcuts.enabled });
    // What is focused first is at the top, so that a small window shows the beginning.
    openDialog(texts.shortcuts.title, [
      createElement('label', { className: 'check' }, [enabled, label]),
      createElement('dl', { className: 'keys' }, rows),
      createElement('p', { className: 'hint', textContent: texts.shortcuts.slider }),
      createElement('div', { className: 'buttons' }, [
        createElement('button', { value: '', textContent: texts.shortcuts.close }),
      ]),
    ]);
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const { key, ctrlKey, altKey, metaKey, target, defaultPrevented } = event;
    const action = ACTION_BY_KEY[key];
    if (!action || ctrlKey || altKey || metaKey || defaultPrevented || !isEnabled()) return;
    if (!(target instanceof Element) || target.closest(KEY_USERS)) return;
    if (document.querySelector('dialog[open]')) return;
    if (key === ' ' && target.closest(CLICKED_BY_SPACE)) return;
    event.preventDefault();
    withErrorNotice(async () => void (await this.#actions[action]()))();
  }
}

function isEnabled() {
  return localStorage.getItem(DISABLED_STORAGE_NAME) === null;
}

/** @param {string} key */
function nameOfKey(key) {
  return key === ' ' ? 'Space' : key.toUpperCase();
}
