export { ChildServer, type ChildExit, type ChildServerOptions } from './child-server.js';
export { freePort, isPortFree } from './free-port.js';
export {
  findOrInstallNatsServer,
  type NatsBinaryOptions,
  type NatsRelease,
} from './nats-binary.js';
export { NatsServer, type NatsClusterMember, type NatsServerOptions } from './nats-server.js';
export { PostgresServer, type PostgresServerOptions } from './postgres-server.js';
