/** Calls the service with a client that was generated from its OpenAPI document. */

import createClient from 'openapi-fetch';
import type { components, paths } from './schema.d.ts';

declare const process: { argv: string[] };

const [baseUrl] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl });

async function main(): Promise<void> {
  const created = await client.POST('/api/audio/sessions', {
    body: { sample_rate: 16000, channels: 1, format: 'wav', user_id: null },
  });
  if (created.data === undefined) throw new Error(created.error.error);
  const session: components['schemas']['SessionInfo'] = created.data.session;
  const path = { session_id: session.session_id };
  const page = await client.GET('/api/audio/sessions', { params: { query: { status: 'active' } } });
  const listed = page.data?.sessions.map((each) => each.session_id);
  const closed = await client.POST('/api/audio/sessions/{session_id}/close', { params: { path } });
  const waveform = await client.GET('/api/audio/sessions/{session_id}/waveform', { params: { path } });
  const deleted = await client.DELETE('/api/audio/sessions/{session_id}', { params: { path } });
  const gone = await client.GET('/api/audio/sessions/{session_id}', { params: { path } });
  console.log(JSON.stringify({
    rate: session.sample_rate,
    listed: listed?.includes(session.session_id),
    closed: closed.data?.session?.status,
    pixels: waveform.data?.length,
    deleted: deleted.data?.success,
    code: gone.error?.code,
  }));
}

await main();
