/** The types of `<sercuescribe-recorder>`. */

import type { FinalMessage, SessionClient, SessionError, SessionOptions, State } from './sercuescribe.js';

export interface RecorderElementEvents {
  recorded: CustomEvent<FinalMessage>;
  state: CustomEvent<{ state: State }>;
  error: CustomEvent<SessionError>;
}

export declare class RecorderElement extends HTMLElement {
  /** Options of the next session beside those of the attributes, for example `token`. */
  options: Partial<SessionOptions>;
  readonly client: SessionClient | null;
  readonly isRecording: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
}

declare global {
  interface HTMLElementTagNameMap {
    'sercuescribe-recorder': RecorderElement;
  }
}
