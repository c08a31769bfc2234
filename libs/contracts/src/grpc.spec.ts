import { loadSync, type MessageTypeDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { z } from 'zod';
import { type GrpcSpec, PROTO_DIRECTORY, PROTO_FILES } from './grpc.js';
import {
  grpcCompleteRequest,
  grpcDequeueRequest,
  grpcFailRequest,
  grpcRenewLeaseRequest,
  jobsGrpc,
} from './jobs/jobs.grpc.js';
import { enqueueRequest, type EnqueueRequest } from './jobs/jobs.api.js';
import { eventsGrpc } from './realtime/events.grpc.js';
import { eventNames, optInEvents, type EventTag } from './realtime/events.schema.js';
import {
  heartbeatRequest,
  registerWorkerRequest,
  type HeartbeatRequest,
  type RegisterWorkerRequest,
} from './workers/workers.api.js';
import { workersGrpc } from './workers/workers.grpc.js';

/** The contract's tables: field numbers, names and types never change. `=` names the oneof a field belongs to. */
const messages: Readonly<Record<string, string>> = {
  Job: `id 1:string, organization_id 2:string, queue_name 3:string, status 4:JobStatus, payload 5:St, result 6:St,
    retry_count 7:int32, max_retries 8:int32, last_error 9:string, priority 10:int32, timeout_seconds 11:int32,
    created_at 12:Ts, scheduled_at 13:Ts, started_at 14:Ts, completed_at 15:Ts, lease_expires_at 16:Ts,
    assigned_worker_id 17:string, idempotency_key 18:string, lease_id 19:string, traceparent 1000:string`,
  EnqueueRequest: `queue_name 1:string, payload 2:St, priority 3:int32, max_retries 4:int32, timeout_seconds 5:int32,
    scheduled_at 6:Ts, idempotency_key 7:string, tags 8:map<string string>`,
  EnqueueResponse: 'job_id 1:string, created 2:bool',
  DequeueRequest:
    'queue_name 1:string, worker_id 2:string, lease_duration_secs 3:int32, batch_size 4:int32',
  DequeueResponse: 'jobs 1:repeated Job',
  CompleteRequest: 'job_id 1:string, worker_id 2:string, result 3:St, lease_id 4:string',
  CompleteResponse: 'success 1:bool',
  FailRequest:
    'job_id 1:string, worker_id 2:string, error 3:string, retry 4:bool, lease_id 5:string',
  FailResponse: 'success 1:bool, will_retry 2:bool, next_retry_delay_secs 3:int32',
  RenewLeaseRequest:
    'job_id 1:string, worker_id 2:string, extension_secs 3:int32, lease_id 4:string',
  RenewLeaseResponse: 'success 1:bool, new_expires_at 2:Ts',
  GetJobRequest: 'job_id 1:string',
  GetJobResponse: 'job 1:Job',
  GetQueueStatsRequest: 'queue_name 1:string',
  GetQueueStatsResponse: `queue_name 1:string, pending 2:int64, scheduled 3:int64, processing 4:int64,
    completed 5:int64, failed 6:int64, deadletter 7:int64, total 8:int64, max_age_ms 9:int64`,
  StreamJobsRequest:
    'queue_name 1:string, worker_id 2:string, lease_duration_secs 3:int32, max_unsettled 4:int32',
  ProcessRequest: `dequeue 1:DequeueRequest =request, complete 2:CompleteRequest =request, fail 3:FailRequest =request,
    renew_lease 4:RenewLeaseRequest =request`,
  ProcessResponse: `job 1:Job =response, complete 2:CompleteResponse =response, fail 3:FailResponse =response,
    renew_lease 4:RenewLeaseResponse =response, error 5:ErrorResponse =response`,
  ErrorResponse: 'code 1:string, message 2:string',
  RegisterWorkerRequest: `queue_name 1:string, hostname 2:string, worker_type 3:string, max_concurrency 4:int32,
    version 5:string, metadata 6:map<string string>, worker_id 7:string`,
  RegisterWorkerResponse:
    'worker_id 1:string, lease_duration_secs 2:int32, heartbeat_interval_secs 3:int32',
  HeartbeatRequest:
    'worker_id 1:string, current_jobs 2:int32, status 3:string, metadata 4:map<string string>',
  HeartbeatResponse: 'acknowledged 1:bool, should_drain 2:bool',
  DeregisterRequest: 'worker_id 1:string',
  DeregisterResponse: 'success 1:bool',
  SubscribeEventsRequest: `queue_names 1:repeated string, job_ids 2:repeated string, event_types 3:repeated string,
    last_event_id 4:string`,
  Event: 'id 1:string, type 2:string, name 3:string, timestamp 4:Ts, data 5:St',
};

const enums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  JobStatus: {
    JOB_STATUS_UNSPECIFIED: 0,
    JOB_STATUS_PENDING: 1,
    JOB_STATUS_SCHEDULED: 2,
    JOB_STATUS_PROCESSING: 3,
    JOB_STATUS_COMPLETED: 4,
    JOB_STATUS_FAILED: 5,
    JOB_STATUS_DEADLETTER: 6,
    JOB_STATUS_CANCELLED: 7,
  },
};

/** `service.method kind request -> response` */
const methods: readonly (readonly [string, GrpcSpec])[] = [
  ['QueueService.Enqueue unary EnqueueRequest -> EnqueueResponse', jobsGrpc.enqueue],
  ['QueueService.Dequeue unary DequeueRequest -> DequeueResponse', jobsGrpc.dequeue],
  ['QueueService.Complete unary CompleteRequest -> CompleteResponse', jobsGrpc.complete],
  ['QueueService.Fail unary FailRequest -> FailResponse', jobsGrpc.fail],
  ['QueueService.RenewLease unary RenewLeaseRequest -> RenewLeaseResponse', jobsGrpc.renewLease],
  ['QueueService.GetJob unary GetJobRequest -> GetJobResponse', jobsGrpc.getJob],
  [
    'QueueService.GetQueueStats unary GetQueueStatsRequest -> GetQueueStatsResponse',
    jobsGrpc.getQueueStats,
  ],
  ['QueueService.StreamJobs server-stream StreamJobsRequest -> Job', jobsGrpc.streamJobs],
  ['QueueService.ProcessJobs bidi ProcessRequest -> ProcessResponse', jobsGrpc.processJobs],
  [
    'WorkerService.Register unary RegisterWorkerRequest -> RegisterWorkerResponse',
    workersGrpc.register,
  ],
  ['WorkerService.Heartbeat unary HeartbeatRequest -> HeartbeatResponse', workersGrpc.heartbeat],
  [
    'WorkerService.Deregister unary DeregisterRequest -> DeregisterResponse',
    workersGrpc.deregister,
  ],
  [
    'EventService.SubscribeEvents server-stream SubscribeEventsRequest -> Event',
    eventsGrpc.subscribeEvents,
  ],
];

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
  readonly oneofIndex: number;
  readonly proto3Optional?: boolean;
}
interface Message {
  readonly name: string;
  readonly field: readonly Field[];
  readonly nestedType: readonly (Message & { readonly options?: { readonly mapEntry: boolean } })[];
  readonly oneofDecl: readonly { readonly name: string }[];
}

const PACKAGE = 'spooled.v1.';
const loaded = Object.entries(
  loadSync([...PROTO_FILES], {
    includeDirs: [PROTO_DIRECTORY],
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  }),
).filter(([name]) => name.startsWith(PACKAGE));
const isService = (found: (typeof loaded)[number][1]): found is ServiceDefinition =>
  !('format' in found);
const definedMessages = new Map(
  loaded.flatMap(([name, found]) =>
    !isService(found) && found.format === 'Protocol Buffer 3 DescriptorProto'
      ? [[name, found.type as unknown as Message]]
      : [],
  ),
);
const definedEnums = loaded.flatMap(([, found]) =>
  !isService(found) && found.format === 'Protocol Buffer 3 EnumDescriptorProto'
    ? [found.type as unknown as EnumDescriptor]
    : [],
);
interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

/** A message as its table writes it. */
function rowOf(message: Message): string {
  return message.field.map((field) => written(field, message)).join(', ');
}

function written(field: Field, { nestedType, oneofDecl }: Message): string {
  expect(field.proto3Optional ?? false).toBe(false);
  const entry = nestedType.find(({ name }) => field.typeName.split('.').pop() === name);
  const repeated = field.label === 'LABEL_REPEATED' && entry === undefined ? 'repeated ' : '';
  const type =
    entry?.options?.mapEntry === true
      ? `map<${entry.field.map(typeOf).join(' ')}>`
      : `${repeated}${typeOf(field)}`;
  // The descriptor does not tell a field of the first oneof from one of none; the next test does.
  const oneof = oneofDecl[field.oneofIndex]?.name;
  return `${field.name} ${field.number}:${type}${oneof === undefined ? '' : ` =${oneof}`}`;
}

function typeOf({ type, typeName }: Field): string {
  if (type !== 'TYPE_MESSAGE' && type !== 'TYPE_ENUM') return type.slice(5).toLowerCase();
  const full = typeName.replace(/^\./, '');
  if (full === 'google.protobuf.Struct') return 'St';
  return full === 'google.protobuf.Timestamp' ? 'Ts' : full.replace(/^spooled\.v1\./, '');
}

describe('the protocol definitions', () => {
  it.each(Object.entries(messages))('%s has the fields of the contract', (name, fields) => {
    expect(rowOf(definedMessages.get(PACKAGE + name)!)).toBe(fields.replaceAll(/\s+/g, ' '));
  });

  it.each([
    ['ProcessRequest', 'request'],
    ['ProcessResponse', 'response'],
  ])('%s holds one thing at a time', (name, oneof) => {
    const codec = loaded.find(([found]) => found === PACKAGE + name)![1] as MessageTypeDefinition<
      object,
      object
    >;
    for (const field of definedMessages.get(PACKAGE + name)!.field) {
      const decoded = codec.deserialize(codec.serialize({ [field.name]: {} }));
      expect(Object.keys(decoded).sort()).toEqual([field.name, oneof].sort());
      expect(decoded).toMatchObject({ [oneof]: field.name });
    }
  });

  it('define no other message, and none inside another but the entries of maps', () => {
    expect([...definedMessages.keys()].sort()).toEqual(
      Object.keys(messages)
        .map((name) => PACKAGE + name)
        .sort(),
    );
    for (const { nestedType } of definedMessages.values()) {
      expect(nestedType.filter(({ options }) => options?.mapEntry !== true)).toEqual([]);
    }
  });

  it('have the enums of the contract', () => {
    const found = definedEnums.map(({ name, value }) => [
      name,
      Object.fromEntries(value.map((each) => [each.name, each.number])),
    ]);
    expect(Object.fromEntries(found)).toEqual(enums);
  });

  it('have the services and methods of the contract', () => {
    const found = loaded.flatMap(([service, each]) =>
      isService(each)
        ? Object.entries(each).map(([name, { path, ...method }]) => {
            expect(path).toBe(`/${service}/${name}`);
            const { requestStream, responseStream, requestType, responseType } = method;
            const kind = requestStream ? 'bidi' : responseStream ? 'server-stream' : 'unary';
            expect(requestStream && !responseStream).toBe(false);
            const [request, response] = [requestType, responseType].map(
              ({ type }) => (type as unknown as Message).name,
            );
            return `${service.slice(PACKAGE.length)}.${name} ${kind} ${request} -> ${response}`;
          })
        : [],
    );
    expect(found.sort()).toEqual(methods.map(([row]) => row).sort());
  });
});

describe('the specs', () => {
  it('are one for each method', () => {
    const specs: GrpcSpec[] = [jobsGrpc, workersGrpc, eventsGrpc].flatMap((each) =>
      Object.values<GrpcSpec>(each),
    );
    expect(specs).toEqual(methods.map(([, spec]) => spec));
  });

  it.each(methods)('%s is specified as it is defined', (row, spec) => {
    expect(row).toMatch(`${spec.service.slice(PACKAGE.length)}.${spec.method} ${spec.kind} `);
    const [asked, answered] = (row.match(/(\w+) -> (\w+)$/) ?? [])
      .slice(1)
      .map((name) => definedMessages.get(PACKAGE + name)) as [Message, Message];
    const names = ({ field }: Message) => field.map(({ name }) => name);
    // The virtual key that names the set field comes with requests; in responses the field itself says it.
    const oneofs = asked.oneofDecl.map(({ name }) => name);
    expect(keysOf(spec.request).sort()).toEqual([...names(asked), ...oneofs].sort());
    expect(keysOf(spec.response).sort()).toEqual(names(answered).sort());
  });

  it('of the messages in ProcessJobs are those of the unary methods', () => {
    const { dequeue, complete, fail, renewLease } = jobsGrpc;
    expect([dequeue, complete, fail, renewLease].map(({ request }) => request)).toEqual([
      grpcDequeueRequest,
      grpcCompleteRequest,
      grpcFailRequest,
      grpcRenewLeaseRequest,
    ]);
  });

  it('know the status names of the enum', () => {
    const { status } = jobsGrpc.streamJobs.response.shape;
    expect(status.options).toEqual(Object.keys(enums['JobStatus']!));
  });
});

function keysOf(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodUnion) {
    return schema.options.flatMap((option) => keysOf(option as z.ZodType));
  }
  throw new Error('neither an object nor a union');
}

// What each request is when the client sets only what it must; fields of the tables below replace these.
const id = '0190f0aa-0000-7000-8000-000000000000';
const lease = { job_id: id, worker_id: 'w', lease_id: '' };
const requests = {
  enqueue: {
    queue_name: 'q',
    payload: null,
    priority: 0,
    max_retries: 0,
    timeout_seconds: 0,
    scheduled_at: null,
    idempotency_key: '',
    tags: {},
  },
  dequeue: { queue_name: 'q', worker_id: 'w', lease_duration_secs: 0, batch_size: 0 },
  complete: { ...lease, result: null },
  fail: { ...lease, error: '', retry: false },
  renewLease: { ...lease, extension_secs: 0 },
  getJob: { job_id: '' },
  getQueueStats: { queue_name: 'q' },
  streamJobs: { queue_name: 'q', worker_id: 'w', lease_duration_secs: 0, max_unsettled: 0 },
  register: {
    queue_name: 'q',
    hostname: 'h',
    worker_type: '',
    max_concurrency: 0,
    version: '',
    metadata: {},
    worker_id: '',
  },
  heartbeat: { worker_id: '', current_jobs: 0, status: '', metadata: {} },
  deregister: { worker_id: '' },
  subscribeEvents: { queue_names: [], job_ids: [], event_types: [], last_event_id: '' },
};
type Name = keyof typeof requests;
const specs: Readonly<Record<Name, GrpcSpec>> = { ...jobsGrpc, ...workersGrpc, ...eventsGrpc };

function parse(name: Name, field: string, value: unknown) {
  expect(Object.keys(requests[name])).toContain(field);
  return specs[name].request.safeParse({ ...requests[name], [field]: value });
}

describe('a request with nothing set but what must be', () => {
  const leaseRead = { ...lease, lease_id: null };
  it.each<[Name, object]>([
    [
      'enqueue',
      {
        ...requests.enqueue,
        payload: {},
        max_retries: null,
        timeout_seconds: null,
        idempotency_key: null,
        tags: null,
      },
    ],
    ['dequeue', { ...requests.dequeue, lease_duration_secs: 300, batch_size: 1 }],
    ['complete', { ...leaseRead, result: null }],
    ['fail', { ...leaseRead, error: '', retry: false }],
    ['renewLease', { ...leaseRead, extension_secs: 300 }],
    ['getJob', { job_id: '' }],
    ['getQueueStats', { queue_name: 'q' }],
    ['streamJobs', { ...requests.streamJobs, lease_duration_secs: 300, max_unsettled: 1 }],
    [
      'register',
      {
        ...requests.register,
        worker_type: null,
        max_concurrency: 5,
        version: null,
        metadata: null,
        worker_id: null,
      },
    ],
    ['heartbeat', { worker_id: '', current_jobs: 0, status: 'healthy', metadata: null }],
    ['deregister', { worker_id: '' }],
    ['subscribeEvents', { ...requests.subscribeEvents, event_types: null, last_event_id: null }],
  ])('%s is taken with its defaults', (name, read) => {
    expect(specs[name].request.parse(requests[name])).toEqual(read);
  });

  it('is what the services take from REST too', () => {
    const enqueue: EnqueueRequest = jobsGrpc.enqueue.request.parse(requests.enqueue);
    expect(enqueueRequest.parse(enqueue)).toEqual(enqueue);
    const register: RegisterWorkerRequest = workersGrpc.register.request.parse(requests.register);
    expect(registerWorkerRequest.parse(register)).toEqual(register);
    const heartbeat: HeartbeatRequest = workersGrpc.heartbeat.request.parse(requests.heartbeat);
    expect(heartbeatRequest.parse(heartbeat)).toMatchObject({ status: 'healthy', metadata: null });
  });
});

const deep = (levels: number): object => (levels === 1 ? {} : { a: deep(levels - 1) });
const tag = (bytes: number) => ({ k: 'x'.repeat(bytes - '{"k":""}'.length) });
const protoKey = JSON.parse('{"__proto__":{"a":1}}') as object;
const refusedQueues = ['.q', '-q', 'a b', 'a/b', 'ä', 'q\n', 'q\0', 'q'.repeat(101)];
const queueTaking: Name[] = ['enqueue', 'dequeue', 'getQueueStats', 'streamJobs', 'register'];

describe('a field', () => {
  const leaseSecs: [unknown, unknown][] = [
    [-2_147_483_648, 300],
    [-1, 300],
    [1, 5],
    [5, 5],
    [6, 6],
    [3600, 3600],
    [3601, 3600],
    [2_147_483_647, 3600],
  ];
  const leaseIds: [unknown, unknown][] = [
    ['l', 'l'],
    ['l'.repeat(255), 'l'.repeat(255)],
  ];
  const byDefault = (Object.keys(eventNames) as EventTag[]).filter((tag) => !optInEvents.has(tag));
  const accepted: [Name, string, [unknown, unknown][]][] = [
    ...queueTaking.map((name): [Name, string, [unknown, unknown][]] => [
      name,
      'queue_name',
      ['A.b-c_9', '_', 'q'.repeat(100)].map((queue) => [queue, queue]),
    ]),
    [
      'enqueue',
      'payload',
      [
        [{ a: [1, 1.5, null, 'x', { b: true }] }, { a: [1, 1.5, null, 'x', { b: true }] }],
        [deep(64), deep(64)],
        [{ nul: '\0' }, { nul: '\0' }],
        [protoKey, protoKey],
      ],
    ],
    ['enqueue', 'priority', [-100, 100].map((value) => [value, value])],
    [
      'enqueue',
      'max_retries',
      [
        [-1, null],
        [1, 1],
        [100, 100],
      ],
    ],
    [
      'enqueue',
      'timeout_seconds',
      [
        [-1, null],
        [1, 1],
        [86_400, 86_400],
      ],
    ],
    [
      'enqueue',
      'scheduled_at',
      ['0001-01-01T00:00:00.000Z', '2030-06-01T10:00:00.123Z', '9999-12-31T23:59:59.999Z'].map(
        (instant) => [new Date(instant), instant],
      ),
    ],
    ['enqueue', 'idempotency_key', leaseIds],
    ['enqueue', 'tags', [{ a: '' }, tag(65_536)].map((value) => [value, value])],
    ['dequeue', 'lease_duration_secs', leaseSecs],
    ['streamJobs', 'lease_duration_secs', leaseSecs],
    [
      'streamJobs',
      'max_unsettled',
      [
        [-1, 1],
        [1, 1],
        [1000, 1000],
        [1001, 1000],
      ],
    ],
    ['renewLease', 'extension_secs', leaseSecs],
    [
      'dequeue',
      'batch_size',
      [
        [-1, 1],
        [1, 1],
        [100, 100],
        [101, 100],
        [2_147_483_647, 100],
      ],
    ],
    ['dequeue', 'worker_id', [['w'.repeat(255), 'w'.repeat(255)]]],
    ['complete', 'lease_id', leaseIds],
    ['fail', 'lease_id', leaseIds],
    ['renewLease', 'lease_id', leaseIds],
    ['complete', 'job_id', [['no id at all', 'no id at all']]],
    [
      'complete',
      'result',
      [
        [{}, {}],
        [tag(1_048_576), tag(1_048_576)],
      ],
    ],
    [
      'fail',
      'error',
      [
        ['x'.repeat(4096), 'x'.repeat(4096)],
        ['x'.repeat(4097), 'x'.repeat(4096)],
        ['ä'.repeat(2049), 'ä'.repeat(2048)],
        ['x' + 'ä'.repeat(2048), 'x' + 'ä'.repeat(2047)],
        ['€'.repeat(1366), '€'.repeat(1365)],
        ['xx' + '😀'.repeat(1024), 'xx' + '😀'.repeat(1023)],
        ['y'.repeat(8_000_000), 'y'.repeat(4096)],
        ['a\0b', 'a\uFFFDb'],
        ['\0'.repeat(4096), '\uFFFD'.repeat(1365)],
      ],
    ],
    ['register', 'hostname', ['a', '_h', 'h.', 'h-', 'h'.repeat(255)].map((host) => [host, host])],
    [
      'register',
      'max_concurrency',
      [
        [-1, 1],
        [1, 1],
        [1000, 1000],
        [1001, 1000],
      ],
    ],
    ['register', 'worker_type', [['x'.repeat(50), 'x'.repeat(50)]]],
    ['register', 'version', [['x'.repeat(50), 'x'.repeat(50)]]],
    ['register', 'metadata', [[{ a: 'b' }, { a: 'b' }]]],
    [
      'register',
      'worker_id',
      [
        ['pod-7', 'pod-7'],
        ['x'.repeat(255), 'x'.repeat(255)],
      ],
    ],
    ['heartbeat', 'metadata', [[{ a: 'b' }, { a: 'b' }]]],
    ['heartbeat', 'current_jobs', [[1000, 1000]]],
    [
      'heartbeat',
      'status',
      [
        ['healthy', 'healthy'],
        ['degraded', 'degraded'],
        ['draining', 'draining'],
        ['offline', 'offline'],
        ['DRAINING', 'healthy'],
        ['no such status', 'healthy'],
      ],
    ],
    [
      'subscribeEvents',
      'queue_names',
      [
        [
          ['q', 'r'],
          ['q', 'r'],
        ],
      ],
    ],
    ['subscribeEvents', 'job_ids', [[[id], [id]]]],
    ['subscribeEvents', 'last_event_id', ['e-1', 'no cursor'].map((cursor) => [cursor, cursor])],
    [
      'subscribeEvents',
      'event_types',
      [
        [['*'], null],
        [['JobCreated', '*'], null],
        [[' ', ''], null],
        [
          ['JobCreated', ' job.COMPLETED ', 'jobfailed', 'job.created'],
          new Set(['JobCreated', 'JobCompleted', 'JobFailed']),
        ],
        [['job.status'], new Set(['JobStatusChange'])],
        [['job.progress', 'JobLog'], new Set(['JobProgress', 'JobLog'])],
        [['job.log', '*'], new Set([...byDefault, 'JobLog'])],
        [['job.status_changed'], new Set(['JobStatusChange'])],
        [Object.keys(eventNames), new Set(Object.keys(eventNames))],
        [Object.values(eventNames), new Set(Object.keys(eventNames))],
      ],
    ],
  ];
  it.each(accepted)('%s.%s is read as the services want it', (name, field, rows) => {
    for (const [sent, read] of rows) {
      expect(parse(name, field, sent)).toMatchObject({ success: true, data: { [field]: read } });
    }
  });

  const refused: [Name, string, unknown[], RegExp?][] = [
    ...queueTaking.flatMap((name): [Name, string, unknown[], RegExp][] => [
      [name, 'queue_name', [''], /^Queue name is required$/],
      [name, 'queue_name', refusedQueues, /Queue name.*alphanumeric/],
    ]),
    ...(['dequeue', 'streamJobs', 'complete', 'fail', 'renewLease'] as const).flatMap(
      (name): [Name, string, unknown[], RegExp][] => [
        [name, 'worker_id', [''], /^Worker ID is required$/],
        [name, 'worker_id', ['w'.repeat(256), 'w\0'], /^Worker ID must be/],
      ],
    ),
    ...(['complete', 'fail', 'renewLease'] as const).flatMap(
      (name): [Name, string, unknown[], RegExp?][] => [
        [name, 'job_id', [''], /^Job ID is required$/],
        [name, 'lease_id', ['l'.repeat(256), 'l\0']],
      ],
    ),
    ['enqueue', 'priority', [-101, 101]],
    ['enqueue', 'max_retries', [101, 2_147_483_647]],
    ['enqueue', 'timeout_seconds', [86_401]],
    ['enqueue', 'payload', [{ a: NaN }, { a: [Infinity] }, deep(65)], /finite/],
    [
      'enqueue',
      'scheduled_at',
      [new Date(NaN), new Date('+010000-01-01T00:00:00Z'), new Date('0000-12-31T00:00:00Z')],
    ],
    ['enqueue', 'idempotency_key', ['k'.repeat(256), 'k\0']],
    ['enqueue', 'tags', [tag(65_537), { a: '\0' }, { '\0': 'a' }]],
    ['complete', 'result', [tag(1_048_577), { a: NaN }]],
    ['register', 'hostname', ['', '.h', '-h', 'h h', 'ü', 'h\n', 'h'.repeat(256)]],
    ['register', 'worker_type', ['x'.repeat(51), 'x\0']],
    ['register', 'version', ['x'.repeat(51), 'x\0']],
    ['register', 'metadata', [tag(65_537), { a: '\0' }]],
    ['register', 'worker_id', ['x'.repeat(256), 'a\0']],
    ['heartbeat', 'metadata', [tag(65_537), { a: '\0' }]],
    ['heartbeat', 'current_jobs', [-1, 1001]],
    ['subscribeEvents', 'queue_names', [['q', '']], /^Queue name is required$/],
    ['subscribeEvents', 'queue_names', [['a b']], /alphanumeric/],
    ['subscribeEvents', 'queue_names', [Array(501).fill('q')]],
    ['subscribeEvents', 'job_ids', [[''], ['j'.repeat(256)], ['j\0'], Array(501).fill(id)]],
    [
      'subscribeEvents',
      'event_types',
      [['job.nothing'], ['*', 'job.nothing'], ['job']],
      /^unknown event type "job/,
    ],
    ['subscribeEvents', 'event_types', [Array(51).fill('job.created'), ['x'.repeat(101)]]],
  ];
  it.each(refused)('%s.%s is refused by name', (name, field, values, message = /./) => {
    for (const value of values) {
      const { success, error } = parse(name, field, value);
      expect({ value, success }).toEqual({ value, success: false });
      const [issue] = error!.issues;
      expect(issue!.path[0]).toBe(field);
      expect(issue!.message).toMatch(message);
    }
  });
});

describe('a message of ProcessJobs', () => {
  it.each([
    {},
    { request: 'dequeue', dequeue: requests.dequeue },
    { request: 'complete', complete: { ...requests.complete, job_id: '' } },
    { request: 'fail', fail: {} },
    { request: 'renew_lease', renew_lease: null },
  ])('is left to its handler: %j', (message) => {
    expect(jobsGrpc.processJobs.request.parse(message)).toEqual(message);
  });
});
