/**
 * A promise with its `resolve` and `reject`. Not all browsers have `Promise.withResolvers`.
 *
 * @template [Value=void]
 */
export class Deferred {
  /** @type {(value: Value) => void} */
  resolve = () => {};
  /** @type {(error: unknown) => void} */
  reject = () => {};
  /** @type {Promise<Value>} */
  promise = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));

  constructor() {
    this.promise.catch(() => {}); // a rejection without a waiting caller is not unhandled
  }
}
