import { Injectable } from '@nestjs/common';
import { apiKeysApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { KeysService } from './keys.service.js';

/** Edge: the keys of the caller's organization. */
@Injectable()
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  @Route(apiKeysApi.list)
  list({ principal }: RequestOf<typeof apiKeysApi.list>) {
    return this.keys.list(principal.organizationId);
  }

  @Route(apiKeysApi.create)
  create({ principal, body }: RequestOf<typeof apiKeysApi.create>) {
    return this.keys.create(principal, body);
  }

  @Route(apiKeysApi.get)
  get({ principal, params }: RequestOf<typeof apiKeysApi.get>) {
    return this.keys.get(principal.organizationId, params.id);
  }

  @Route(apiKeysApi.update)
  update({ principal, params, body }: RequestOf<typeof apiKeysApi.update>) {
    return this.keys.update(principal, params.id, body);
  }

  @Route(apiKeysApi.revoke)
  revoke({ principal, params }: RequestOf<typeof apiKeysApi.revoke>) {
    return this.keys.revoke(principal, params.id);
  }
}
