export { awayFromMidnight } from './away-from-midnight.js';
export { baseBackup } from './base-backup.js';
export { chromium } from './browser.js';
export { eventually, type EventuallyOptions } from './eventually.js';
export { natsCluster, natsServer, sharedNatsUrl } from './nats.js';
export {
  postgresServer,
  promote,
  standbyOf,
  testDatabase,
  type TestDatabase,
  type TestDatabaseOptions,
} from './postgres.js';
export { spawnProcess, type SpawnedProcess, type SpawnProcessOptions } from './process.js';
export { collectSse, type SseCollection, type SseEvent, type SseOptions } from './sse.js';
export { Signal } from './signal.js';
export { stressStartStop, type StartStop } from './stress-start-stop.js';
export { WsClient, type WsClientOptions } from './ws-client.js';
export { onCleanUp } from './clean-up.js';
export {
  findOrInstallNatsServer,
  freePort,
  type NatsServer,
  type PostgresServer,
} from '@spooled/embedded';
export {
  GrpcClient,
  grpcClient,
  plainMessage,
  wireMessage,
  type GrpcClientOptions,
  type GrpcMessage,
} from './grpc-client.js';
