/** The types that the modules of the client share. `sercuescribe.d.ts` has the public ones. */

import type {
  FinalMessage, Level, NewSession, Parameters, SessionError, SessionWarning,
} from '../sercuescribe.js';

/** A chunk as the client sends and stores it. */
export type ChunkBytes = Uint8Array<ArrayBuffer>;

/** The counts of a session: those of all its clients together. */
export interface Counts {
  chunk_count: number;
  persisted_chunk_count: number;
}

interface MessageFields extends Counts {
  warnings?: SessionWarning[];
  warning_count?: number;
  message: string;
  session_id: string | null;
  duration_seconds: number;
}

/** The first message of a connection. */
export interface Greeting extends MessageFields {
  type: 'session';
  status: 'active';
  session_id: string;
  sample_rate: number;
  channels: number;
  format: string;
  paused: boolean;
}

export interface ChunkMessage extends MessageFields {
  type: 'chunk';
  status: 'active';
  /** Missing if the session is not paused. */
  paused?: true;
}

export interface ControlMessage extends MessageFields {
  type: 'control';
  status: 'active';
  action: Action;
}

export interface ErrorMessage extends MessageFields {
  type: 'error';
  status: 'error';
  error: string;
  code: string;
}

/** A message of the service, as the protocol defines it. */
export type ServerMessage = Greeting | ChunkMessage | ControlMessage | ErrorMessage | FinalMessage;

export type Action = 'close_session' | 'flush' | 'keep_alive' | 'status';

/** What the owner of a `Connection` is told and asked. */
export interface ConnectionOwner {
  onMessage(message: ServerMessage): void;
  /** `error` is that of the last error message on the connection. */
  onClose(code: number, error: SessionError | null): void;
  /** Whether a sent chunk is not persisted yet. */
  hasUnpersisted(): boolean;
}

export interface ReconnectingSocketOptions {
  /** Return the URL of the next connection. */
  getUrl: () => URL;
  token: string | null;
  /** Return a new token. */
  refreshToken?: () => string | Promise<string>;
  answerTimeoutMs: number;
  maxAttempts: number;
  WebSocket?: typeof WebSocket;
}

/** What the owner of a `ReconnectingSocket` is told and asked. */
export interface ReconnectingSocketOwner {
  onMessage(message: ServerMessage): void;
  /** Another attempt follows. */
  onDisconnect(): void;
  /** No attempt follows. `isReported`: `error` came as a message. */
  onFailed(error: SessionError, isReported: boolean): void;
  onError(error: SessionError): void;
  /** Whether a sent chunk is not persisted yet. */
  hasUnpersisted(): boolean;
}

/** A message of the worklet: the next chunk, or at the end the frames of all chunks. */
export type WorkletMessage = { chunk: ArrayBuffer; level: Level } | { frames: number };

/** What a page needs to finish a session of another page. */
export interface StoredFields extends NewSession {
  id: string;
  url: string;
  sessionId: string | null;
  createdAt: Date;
  /** The session's chunk_count when the client first connected; null before. */
  offset: number | null;
  /** The number of the first stored chunk. */
  first: number;
}

/** The fields of a new stored session that its client sets. */
export type NewStoredFields = Omit<StoredFields, 'id' | 'createdAt' | 'first'>;
