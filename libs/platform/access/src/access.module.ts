import { Global, Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { PrincipalResolver } from '@spooled/http';
import { ACCESS_CONFIG, accessConfig } from './access.config.js';
import { AccessWatch } from './access-watch.js';
import { Plans } from './plans.js';
import { Principals } from './principals.js';

/** Provides `Principals`, also as what the HTTP library asks, `AccessWatch` over open streams, and `Plans`. */
@Global()
@Module({
  providers: [
    { provide: ACCESS_CONFIG, useFactory: () => loadConfig(accessConfig) },
    Plans,
    Principals,
    { provide: PrincipalResolver, useExisting: Principals },
    AccessWatch,
  ],
  exports: [Plans, Principals, PrincipalResolver, AccessWatch],
})
export class AccessModule {}
