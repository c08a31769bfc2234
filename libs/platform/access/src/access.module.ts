import { Global, Module } from '@nestjs/common';
import { PrincipalResolver } from '@spooled/http';
import { Principals } from './principals.js';

/** Provides `Principals`, also as what the HTTP library asks. */
@Global()
@Module({
  providers: [Principals, { provide: PrincipalResolver, useExisting: Principals }],
  exports: [Principals, PrincipalResolver],
})
export class AccessModule {}
