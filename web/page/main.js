import { askForKey } from './dialogs.js';
import { complain } from './elements.js';
import { finishLeftovers } from './leftovers.js';
import { Library } from './library.js';
import { Recorder } from './recorder.js';
import { Service } from './service.js';

const service = new Service(askForKey);
const library = new Library(service);
const sendLeftovers = () => finishLeftovers(service, () => library.refresh()).catch(complain);
new Recorder(document.getElementById('recorder'), service, {
  changed: () => library.refresh(),
  failed: sendLeftovers,
});

// The list may ask who the caller is; what was left is sent as that one.
await library.refresh();
sendLeftovers();
