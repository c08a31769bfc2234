import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { loadConfig } from '@spooled/config';
import { GRPC_CONFIG, grpcConfig } from './grpc.config.js';
import { GrpcServer } from './grpc-server.js';
import { MethodBinding } from './method-binding.js';

/** Serves every `@Grpc` method of the application's providers. Needs the HTTP and access modules beside it. */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    { provide: GRPC_CONFIG, useFactory: () => loadConfig(grpcConfig) },
    MethodBinding,
    GrpcServer,
  ],
  exports: [GrpcServer],
})
export class GrpcModule {}
