/** A promise with its `resolve` and `reject`. Not all browsers have `Promise.withResolvers`. */
export function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  result.promise.catch(() => {}); // a rejection without a waiting caller is not unhandled
  return result;
}
