/** A promise and what settles it; `Promise.withResolvers` is younger than some browsers in use. */
export function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {}); // who waits is told; nobody has to wait
  return made;
}
