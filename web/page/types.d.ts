/** The types that the modules of the page share. */

import type { Receipt as ComparedReceipt, SessionClient, SessionWarning } from '../client.js';

/** A session, as far as the page shows it. */
export interface Session {
  session_id: string;
  status: 'active' | 'completed' | 'error';
  user_id: string | null;
  title: string | null;
  sample_rate: number;
  channels: number;
  format: string;
  duration_seconds: number;
  size_bytes: number;
  /** ISO 8601. */
  created_at: string;
  /** ISO 8601; null while the session is active. */
  completed_at: string | null;
  error: string | null;
  warnings: SessionWarning[];
  warning_count: number;
  /** Whether the service records nothing of an active session. */
  paused: boolean;
  /** Missing while the session is active, and in sessions of older releases. */
  receipt?: Receipt | null;
  /** Since when an active session has no connection, in ISO 8601; null if it has one. */
  disconnected_at: string | null;
  /** When the service completes it if no client connects. */
  idle_until: string | null;
}

/** What the service states about a completed session. */
export interface Receipt extends ComparedReceipt {
  chunk_count: number;
}

/** The user and the scopes of a key. */
export interface Identity {
  /** null if authentication is off. */
  user_id: string | null;
  scopes: ('record' | 'read' | 'admin')[];
}

/** The state of one node, as the page `/status` shows it. */
export interface NodeStatus {
  version: string;
  node: string;
  storage: string;
  is_draining: boolean;
  problems: string[];
  active_sessions: number;
  max_sessions: number;
  unpersisted_bytes: number;
  unpersisted_seconds: number;
  free_bytes: number;
  lease_age_seconds: number;
  tasks: { name: string; is_up: boolean; failures: number }[];
  store: { name: string; requests: number; mean_seconds: number; errors: number }[];
  sessions: LiveSession[];
}

/** A session of a node. */
export interface LiveSession extends Session {
  connections: number;
  unpersisted_bytes: number;
  unpersisted_seconds: number;
}

export interface SessionPage {
  sessions: Session[];
  next_cursor: string | null;
  /** How many sessions match; null if that is not cheap to say. */
  total: number | null;
}

/** What happened while a session recorded, as far as the page shows it. */
export interface Timeline {
  marks: { frame: number; label: string }[];
  /** `seconds` is null while the pause lasts. */
  pauses: { frame: number; seconds: number | null }[];
  gaps: { frame: number; seconds: number }[];
}

export interface TimelineEvent {
  seconds: number;
  kind: 'mark' | 'pause' | 'gap';
  text: string;
}

/** A link that opens a recording or a part of it, without its address. */
export interface SharedLink {
  link_id: string;
  /** ISO 8601. */
  expires_at: string;
  /** In seconds; null: from the beginning. */
  start: number | null;
  /** In seconds; null: to the end. */
  end: number | null;
  /** null: WAV. */
  format: string | null;
}

/** For each pixel and channel, the lowest and the highest sample, from -32768 to 32767. */
export interface Waveform {
  channels: number;
  length: number;
  data: number[];
}

export interface SessionToken {
  token: string;
  /** ISO 8601. */
  expires_at: string;
}

/** A recording whose page ended in a pause. */
export interface PausedRecording {
  /** It has restored the recording, and keeps the session in use. */
  client: SessionClient;
  session: Session;
  startedAt: Date;
  /** With which the recording goes on. */
  settings: Pick<RecorderSettings, 'channels' | 'isCompressed'>;
}

/** The body of an HTTP error, and the fields of an error message. */
export interface ErrorBody {
  error?: string;
  code?: string | null;
}

/** What the user chose in the form of the recorder. */
export interface RecorderSettings {
  /** The id of the microphone, or '' for the system's default. */
  device: string;
  channels: number;
  isCompressed: boolean;
  isProcessed: boolean;
}
