/** `make lint` fails here if `sercuescribe.d.ts` declares what the sources do not have. */

import { SessionError } from '../../../clients/js/client/errors.js';
import { MediaRecorderSource } from '../../../clients/js/client/media-recorder-source.js';
import { MicrophoneSource } from '../../../clients/js/client/microphone-source.js';
import { ServiceClient } from '../../../clients/js/client/service-client.js';
import { SessionClient } from '../../../clients/js/client/session-client.js';
import type * as declared from '../../../clients/js/sercuescribe.js';

export const implementation: typeof declared = {
  SessionError,
  MediaRecorderSource,
  MicrophoneSource,
  ServiceClient,
  SessionClient,
};

// TypeScript lets a method take less than is declared. So the parameters are compared exactly.
type Functions = (...given: never[]) => unknown;
type Constructor = new (...given: never[]) => unknown;
type MethodParameters<Class> = {
  [Name in Exclude<keyof Class, keyof EventTarget>]: Class[Name] extends Functions
    ? Parameters<Class[Name]>
    : null;
};
type AllParameters<Class extends Constructor, Names> = [
  ConstructorParameters<Class>,
  MethodParameters<Pick<Class, keyof Class & Names>>,
  MethodParameters<Pick<InstanceType<Class>, keyof InstanceType<Class> & Names>>,
];
type IsSame<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Names<Class extends Constructor> = keyof Class | keyof InstanceType<Class>;
type HasSameParameters<Declared extends Constructor, Source extends Constructor> = IsSame<
  AllParameters<Declared, Names<Declared>>,
  AllParameters<Source, Names<Declared>>
>;

export const parameters: [
  HasSameParameters<typeof declared.SessionError, typeof SessionError>,
  HasSameParameters<typeof declared.MediaRecorderSource, typeof MediaRecorderSource>,
  HasSameParameters<typeof declared.MicrophoneSource, typeof MicrophoneSource>,
  HasSameParameters<typeof declared.ServiceClient, typeof ServiceClient>,
  HasSameParameters<typeof declared.SessionClient, typeof SessionClient>,
] = [true, true, true, true, true];

export function events(client: declared.SessionClient) {
  client.addEventListener('ack', ({ detail }) => detail.chunkCount);
  client.removeEventListener('level', null);
  // @ts-expect-error - a misspelt event
  client.addEventListener('acks', () => {});
  // @ts-expect-error - a field that the event does not have
  client.addEventListener('ack', ({ detail }) => detail.chunks);
}
