import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { PROTO_DIRECTORY, PROTO_FILES, type GrpcSpec } from '@spooled/contracts';
import { protoPath as healthProto } from 'grpc-health-check';
import path from 'node:path';
import protobuf from 'protobufjs';
import type { z } from 'zod';
import { fileDescriptors } from './file-descriptors.js';
import { teachValueTypes } from './values.js';

type Method = MethodDefinition<unknown, unknown>;

/** What a request becomes that cannot be decoded: the client's fault, which a throwing decoder could not say. */
export const MALFORMED = Symbol('malformed message');

/** The name by which others import it. */
const HEALTH_FILE = 'grpc/health/v1/health.proto';

/** How messages become plain objects: as `GrpcSpec` tells. */
const PLAIN = { longs: Number, enums: String, defaults: true, oneofs: true };

let loaded: protobuf.Root | undefined;

/** A service of the contracts, as grpc-js wants it. */
export function serviceDefinition(name: string): ServiceDefinition {
  const service = root().lookupService(name);
  return Object.fromEntries(
    service.methodsArray.map((method) => [method.name, methodDefinition(service, method)]),
  );
}

/** What makes a method's response into the bytes of its message, for those that many calls share. */
export function encoderOf<S extends GrpcSpec>(
  spec: S,
): (message: z.input<S['response']>) => Buffer {
  const service = root().lookupService(spec.service);
  return methodDefinition(service, service.methods[spec.method]!).responseSerialize;
}

/** The same definitions and that of the health service, for those who ask by reflection. */
export function descriptors(): PackageDefinition {
  const fileDescriptorProtos = fileDescriptors([...PROTO_FILES, HEALTH_FILE], (name) =>
    name === HEALTH_FILE ? healthProto : path.join(PROTO_DIRECTORY, name),
  );
  // The shape in which the reflection service takes files.
  return {
    files: { format: 'Protocol Buffer 3 EnumDescriptorProto', type: {}, fileDescriptorProtos },
  };
}

function root(): protobuf.Root {
  if (loaded !== undefined) return loaded;
  loaded = new protobuf.Root();
  loaded.resolvePath = (_origin, target) =>
    protobuf.common.get(target) === null ? path.join(PROTO_DIRECTORY, target) : target;
  loaded.loadSync([...PROTO_FILES], { keepCase: true });
  loaded.resolveAll();
  teachValueTypes(loaded);
  return loaded;
}

function methodDefinition(service: protobuf.Service, method: protobuf.Method): Method {
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  return {
    path: `/${service.fullName.slice(1)}/${method.name}`,
    requestStream: method.requestStream === true,
    responseStream: method.responseStream === true,
    requestSerialize: (message) => encode(request!, message),
    requestDeserialize: (bytes) => {
      try {
        return decode(request!, bytes);
      } catch {
        return MALFORMED;
      }
    },
    // What many calls share is encoded already.
    responseSerialize: (message) =>
      Buffer.isBuffer(message) ? message : encode(response!, message),
    responseDeserialize: (bytes) => decode(response!, bytes),
  };
}

function encode(type: protobuf.Type, message: unknown): Buffer {
  return type.encode(type.fromObject(message as object)).finish() as Buffer;
}

function decode(type: protobuf.Type, bytes: Buffer): unknown {
  return type.toObject(type.decode(bytes), PLAIN);
}
