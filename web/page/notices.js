/** The action of a notice that the user only reads. */
export const DISMISS_ACTION = { Dismiss: () => {} };

/** Show a notice at the top of the page; return a function that removes it. */
export function showNotice(text, { actions = {}, kind = 'info' } = {}) {
  const notices = document.getElementById('notices');
  // A failure that repeats is shown once.
  const children = /** @type {HTMLCollectionOf<HTMLElement>} */ (notices.children);
  const shown = [...children].find((other) => other.dataset.text === text);
  if (shown) return () => shown.remove();
  const notice = document.createElement('p');
  notice.dataset.text = text;
  notice.className = `notice ${kind}`;
  notice.append(Object.assign(document.createElement('span'), { textContent: text }));
  for (const [label, action] of Object.entries(actions)) {
    const button = Object.assign(document.createElement('button'), { textContent: label });
    button.type = 'button';
    button.addEventListener('click', () => {
      notice.remove();
      action();
    });
    notice.append(button);
  }
  notices.append(notice);
  return () => notice.remove();
}

/** Show an error as a notice that can be dismissed. */
export function showError(error) {
  showNotice(error.message || String(error), { kind: 'error', actions: DISMISS_ACTION });
}

/** Show each warning of a session as a notice, once. */
export function showWarnings(warnings) {
  for (const { message } of warnings) {
    const text = `Part of the audio was not recorded: ${message}`;
    showNotice(text, { kind: 'error', actions: DISMISS_ACTION });
  }
}

/** Return an event handler that shows the error of `action`. */
export function withErrorNotice(action) {
  return async (...args) => {
    try {
      await action(...args);
    } catch (error) {
      showError(error);
    }
  };
}
