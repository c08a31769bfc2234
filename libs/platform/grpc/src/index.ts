export { sentTraceparent } from './sent-traceparent.js';
export type { AnswerOf, Caller, CallOf, Outgoing } from './call.js';
export { Grpc } from './grpc.decorator.js';
export { GrpcModule } from './grpc.module.js';
export { GrpcServer } from './grpc-server.js';
export { encoderOf } from './protos.js';
