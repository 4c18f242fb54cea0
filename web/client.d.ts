/** The service serves `clients/js/sercuescribe.js` at this path. */
export * from '../clients/js/sercuescribe.js';
