import { fileURLToPath } from 'node:url';

import { credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { Refusal } from '../refusal.mjs';
import { Stream } from '../stream.mjs';

const protos = fileURLToPath(new URL('../../../libs/contracts/proto', import.meta.url));
let EventService;

class GrpcStream extends Stream {
  constructor(client, call) {
    super();
    this.client = client;
    this.call = call;
    call.on('data', (event) => this.receive(envelope(event)));
    // `status` says the same.
    call.on('error', () => undefined);
    call.on('status', ({ code, details }) => {
      this.details = details;
      this.finish(status[code]);
      client.close();
    });
  }

  cut() {
    this.call.cancel();
    this.client.close();
    this.finish('cut');
  }
}

/** Waits for the first message, which confirms the subscription. @throws Refusal when the call ends before it */
export async function openGrpc({ grpcAddress, hasGrpcTls }, options) {
  const { credential, authBy = 'x-api-key', queue, jobId, events, lastEventId } = options;
  EventService ??= loadService();
  const client = new EventService(
    grpcAddress,
    hasGrpcTls ? credentials.createSsl() : credentials.createInsecure(),
    // A connection of its own, to be cut alone.
    { 'grpc.use_local_subchannel_pool': 1 },
  );
  const metadata = new Metadata();
  if (authBy === 'bearer') metadata.set('authorization', `Bearer ${credential}`);
  else if (authBy === 'x-api-key') metadata.set('x-api-key', credential);
  const request = {
    queue_names: queue === undefined ? [] : [queue].flat(),
    job_ids: jobId === undefined ? [] : [jobId].flat(),
    event_types: events ?? [],
    last_event_id: lastEventId ?? '',
  };
  const stream = new GrpcStream(client, client.SubscribeEvents(request, metadata));
  try {
    await stream.waitFor(() => true, 'the first message');
  } catch (error) {
    stream.cut();
    if (stream.details === undefined) throw error;
    throw new Refusal(stream.end, stream.details, 'SubscribeEvents');
  }
  return stream;
}

function loadService() {
  const definition = loadSync('spooled/v1/event.proto', {
    includeDirs: [protos],
    keepCase: true,
    longs: Number,
    defaults: true,
    oneofs: true,
  });
  return loadPackageDefinition(definition).spooled.v1.EventService;
}

/** As on the other transports, with what only gRPC says beside it. */
function envelope({ id, type, name, timestamp, data }) {
  const at = timestamp === null ? undefined : timestamp.seconds * 1000 + timestamp.nanos / 1e6;
  return { type, data: fromStruct(data), ...(id === '' ? {} : { id }), name, at };
}

function fromStruct({ fields }) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, fromValue(value)]),
  );
}

function fromValue({ kind, ...value }) {
  if (kind === 'nullValue') return null;
  if (kind === 'structValue') return fromStruct(value.structValue);
  if (kind === 'listValue') return value.listValue.values.map(fromValue);
  return value[kind];
}
