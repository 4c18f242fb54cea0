/** The types of `sercuescribe.js`. */

export type State =
  | 'connecting'
  | 'live'
  | 'reconnecting'
  | 'finishing'
  | 'completed'
  | 'failed';

export type Format =
  | 'wav'
  | 'mp3'
  | 'flac'
  | 'aac'
  | 'pcm_s16le'
  | 'pcm_f32le'
  | 'mulaw'
  | 'alaw'
  | 'webm'
  | 'ogg'
  | 'mp4';

export type Chunk = ArrayBuffer | ArrayBufferView | Blob;

export interface Parameters {
  sampleRate?: 8000 | 16000 | 22050 | 44100 | 48000 | 96000 | number;
  channels?: 1 | 2 | number;
  format?: Format;
}

/** What the service is told of a session when it is created. */
export interface NewSession extends Parameters {
  userId?: string;
  /** At most 200 characters. */
  title?: string;
  metadata?: Record<string, string>;
}

export interface SessionOptions extends NewSession {
  /** The address of the service: `http` or `https`. */
  url: string;
  token?: string | null;
  /** Return a new token after `credentials_expired`, or the first one if `token` is missing. */
  refreshToken?: (sessionId: string | null) => string | Promise<string>;
  /** An existing session. No other client may send to it. */
  sessionId?: string | null;
  maxBufferedBytes?: number;
  maxUnackedChunks?: number;
  answerTimeoutMs?: number;
  /** Give up after so many attempts in a row without an answer; by default never. */
  maxAttempts?: number;
  /** Aborting it is `abandon()`. */
  signal?: AbortSignal;
  /** The class for connections, where there is no global one, as in Node 20. */
  WebSocket?: typeof WebSocket;
  store?: 'indexeddb';
}

/** Audio that could not be recorded, as the protocol defines it. */
export interface SessionWarning {
  code: string;
  /** The cause and the remedy. */
  message: string;
  /** The chunks that the session had when the service noticed it. */
  chunk_count: number;
  /** The frames that the recording had then. */
  frame: number;
}

export interface Warnings {
  /** The first warnings of the session. */
  warnings: SessionWarning[];
  /** How many there are. */
  warningCount: number;
}

/** The final message of a session, as the protocol defines it. */
export interface FinalMessage {
  type: 'control';
  action: 'close_session';
  message: string;
  session_id: string;
  chunk_count: number;
  status: 'completed';
  persisted_chunk_count: number;
  duration_seconds: number;
  warnings?: SessionWarning[];
  warning_count?: number;
  /** The SHA-256 of the receipt. */
  receipt_digest?: string;
  /** Whether the service has received what was sent; the client adds it. */
  verification?: Verification;
}

/** Bytes, and their digest over blocks of 1 MiB. */
export interface Digested {
  bytes: number;
  digest: string;
}

/** The receipt of a completed session; it has more fields. */
export interface Receipt {
  audio: Digested;
  inputs: Digested[] | null;
  inputs_unknown: string | null;
  kid: string | null;
  signature: string | null;
}

export interface Verification {
  result: 'verified' | 'differs' | 'unknown';
  /** What differs, or why it cannot be known. */
  reason: string;
}

export interface Progress {
  /** The number of chunks of this client. */
  chunkCount: number;
  durationSeconds: number;
}

export interface Level {
  /** From 0 to 1. */
  peak: number;
  /** From 0 to 1. */
  rms: number;
}

export interface UnfinishedSession extends NewSession {
  id: string;
  url: string;
  sessionId: string | null;
  createdAt: Date;
}

export interface Sink {
  /** Settles when the chunk is stored in the buffer. */
  chunk(chunk: Chunk): Promise<void>;
  level(level: Level): void;
  failed(error: unknown): void;
}

/** A source of chunks. */
export interface Source {
  open(wanted: Parameters): Promise<Parameters>;
  start(sink: Sink): Promise<void>;
  /** Settles when the last chunk was handed to the sink. */
  stop(): Promise<void>;
  /** End at once. If it is missing, the client calls `stop`. */
  cancel?(): Promise<void>;
}

/** The argument of `SessionClient.start`. */
export type AudioInput = MediaStream | Source | AsyncIterable<Chunk> | ReadableStream<Chunk>;

export declare class SessionError extends Error {
  /** A code of the service, or one of the client. */
  readonly code: string;
  /** The message of the service, or the error of the browser. */
  readonly details: unknown;
  constructor(code: string, message?: string, details?: unknown);
}

export interface SessionEvents {
  state: CustomEvent<{ state: State }>;
  /** The session was paused or resumed, by this client or by another one. */
  paused: CustomEvent<{ isPaused: boolean }>;
  ack: CustomEvent<Progress>;
  persisted: CustomEvent<Progress>;
  level: CustomEvent<Level>;
  warnings: CustomEvent<Warnings>;
  error: CustomEvent<SessionError>;
}

export type SessionListener<Type extends keyof SessionEvents> =
  | ((event: SessionEvents[Type]) => void)
  | { handleEvent(event: SessionEvents[Type]): void };

export declare class SessionClient extends EventTarget {
  readonly state: State | null;
  readonly sessionId: string | null;
  readonly bufferedBytes: number;
  readonly isConnected: boolean;
  /** Whether the session is paused, as far as the service has told it. */
  readonly isPaused: boolean;
  readonly warnings: SessionWarning[];

  constructor(options: SessionOptions);

  static unfinished(): Promise<UnfinishedSession[]>;
  static resume(id: string, options?: Partial<SessionOptions>): Promise<FinalMessage>;
  static restore(id: string, options?: Partial<SessionOptions>): Promise<SessionClient>;
  static discard(id: string): Promise<void>;

  start(source?: AudioInput | null): Promise<void>;
  send(chunk: Chunk): Promise<void>;
  flush(): Promise<void>;
  /** Let the service record no chunk that is sent from then on, until `resume`. */
  pause(): Promise<void>;
  /** Let the service record the chunks that are sent from then on. */
  resume(): Promise<void>;
  /** Add a mark to the timeline, behind the chunks sent so far. */
  mark(label: string): Promise<void>;
  stop(): Promise<FinalMessage>;
  retryNow(): void;
  abandon(): void;

  // Without a signature for any string, so that a misspelt event is an error.
  addEventListener<Type extends keyof SessionEvents>(
    type: Type,
    listener: SessionListener<Type> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof SessionEvents>(
    type: Type,
    listener: SessionListener<Type> | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** A session as the service describes it; it has more fields. */
export interface SessionInfo {
  session_id: string;
  status: 'active' | 'completed';
  user_id: string | null;
  title: string | null;
  metadata: Record<string, string>;
  sample_rate: number;
  channels: number;
  format: Format;
  total_chunks: number;
  persisted_chunk_count: number;
  duration_seconds: number;
  size_bytes: number;
  created_at: string;
  completed_at: string | null;
  warnings: SessionWarning[];
  warning_count: number;
  /** Nothing deletes the session. */
  hold?: boolean;
  /** When the service deletes the completed session. */
  expires_at?: string | null;
  /** Chunks count and are not recorded. */
  paused?: boolean;
  receipt?: Receipt | null;
}

export interface ServiceOptions {
  /** The address of the service: `http` or `https`. */
  url: string;
  /** An API key, or a token. */
  token?: string | null;
}

/** Which sessions to list; without a filter, all. */
export interface SessionFilter {
  status?: 'active' | 'completed';
  userId?: string;
  hasWarnings?: boolean;
  from?: Date | string;
  to?: Date | string;
  /** A part of the title, of a value of metadata or of the user, or the beginning of the id. */
  text?: string;
  metadata?: Record<string, string>;
  oldestFirst?: boolean;
  /** How many sessions one request fetches. */
  pageSize?: number;
  signal?: AbortSignal;
}

/** Values that are missing stay as they are. */
export interface SessionChanges {
  /** An empty title removes the old one. */
  title?: string;
  /** Replaces all metadata. */
  metadata?: Record<string, string>;
  /** Let nothing delete the session; only an admin lifts it. */
  hold?: boolean;
  /** When the service deletes the completed session; null: not before `RETENTION_DAYS`. */
  expiresAt?: Date | string | null;
  signal?: AbortSignal;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface AudioPart {
  format?: 'wav' | 'mp3' | 'flac' | 'opus';
  /** Seconds. */
  start?: number;
  /** Seconds. */
  end?: number;
}

export interface LinkOptions extends AudioPart, CallOptions {
  /** The service has a default. */
  lifetimeSeconds?: number;
}

/** A link by which people without an account hear one recording, or a part of it. */
export interface SharedLink {
  link_id: string;
  created_at: string;
  expires_at: string;
  /** Seconds. */
  start: number | null;
  /** Seconds. */
  end: number | null;
  format: AudioPart['format'] | null;
  /** The service tells it only when it makes the link. */
  url?: string;
}

/** What happened when, as the protocol defines it. Frames count from the start of the file. */
export interface Timeline {
  connections: {
    began_at: string;
    ended_at: string | null;
    first_frame: number;
    /** So far, if the connection is open. Null where it cannot be known. */
    frames: number | null;
  }[];
  gaps: { at: string; frame: number; seconds: number }[];
  pauses: { began_at: string; ended_at: string | null; frame: number; seconds: number | null }[];
  marks: { at: string; frame: number; label: string }[];
  /** What is not listed, because there was too much. */
  omitted: {
    connections: number;
    gaps: number;
    gap_seconds: number;
    pauses: number;
    pause_seconds: number;
  };
  /** Whether the timeline lists all that happened. */
  is_complete: boolean;
}

/** The sessions of a service. A call that fails rejects with a `SessionError`. */
export declare class ServiceClient {
  constructor(options: ServiceOptions);
  list(filter?: SessionFilter): AsyncGenerator<SessionInfo, void, undefined>;
  info(sessionId: string, options?: CallOptions): Promise<SessionInfo>;
  update(sessionId: string, changes: SessionChanges): Promise<SessionInfo>;
  pause(sessionId: string, options?: CallOptions): Promise<SessionInfo>;
  resume(sessionId: string, options?: CallOptions): Promise<SessionInfo>;
  mark(sessionId: string, label: string, options?: CallOptions): Promise<SessionInfo>;
  timeline(sessionId: string, options?: CallOptions): Promise<Timeline>;
  share(sessionId: string, options?: LinkOptions): Promise<SharedLink & { url: string }>;
  links(sessionId: string, options?: CallOptions): Promise<SharedLink[]>;
  unshare(sessionId: string, linkId: string, options?: CallOptions): Promise<void>;
  close(sessionId: string, options?: CallOptions): Promise<SessionInfo>;
  delete(sessionId: string, options?: CallOptions): Promise<void>;
  audio(sessionId: string, part?: AudioPart & CallOptions): Promise<Response>;
}

export interface MicrophoneOptions {
  /** The source does not stop the tracks of a given stream. */
  stream?: MediaStream;
  channels?: 1 | 2;
  sampleRate?: number;
  constraints?: MediaTrackConstraints;
  chunkFrames?: number;
  workletUrl?: string | URL;
  /** One of `prepareContext`; used if the rate is right. The source suspends it at the end. */
  context?: AudioContext;
  startTimeoutMs?: number;
}

export declare class MicrophoneSource implements Source {
  /** All delivered frames, after `stop` has settled. */
  readonly frames: number;
  constructor(options?: MicrophoneOptions);
  static prepareContext(
    options?: Pick<MicrophoneOptions, 'sampleRate' | 'workletUrl'>,
  ): Promise<AudioContext>;
  open(wanted: Parameters): Promise<Parameters>;
  start(sink: Sink): Promise<void>;
  stop(): Promise<void>;
}

export interface MediaRecorderOptions {
  /** The source does not stop the tracks of a given stream. */
  stream?: MediaStream;
  mimeType?: string;
  timesliceMs?: number;
  bitsPerSecond?: number;
  constraints?: MediaTrackConstraints;
}

export declare class MediaRecorderSource implements Source {
  constructor(options?: MediaRecorderOptions);
  open(wanted: Parameters): Promise<Parameters>;
  start(sink: Sink): Promise<void>;
  stop(): Promise<void>;
}
