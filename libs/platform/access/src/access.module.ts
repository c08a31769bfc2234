import { Global, Module } from '@nestjs/common';
import { PrincipalResolver } from '@spooled/http';
import { Plans } from './plans.js';
import { Principals } from './principals.js';

/** Provides `Principals`, also as what the HTTP library asks, and `Plans`. */
@Global()
@Module({
  providers: [Plans, Principals, { provide: PrincipalResolver, useExisting: Principals }],
  exports: [Plans, Principals, PrincipalResolver],
})
export class AccessModule {}
