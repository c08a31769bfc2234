import { Injectable } from '@nestjs/common';
import { authApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { TokensService } from './tokens.service.js';

/** Edge: from key to token, and what a token says. */
@Injectable()
export class TokensController {
  constructor(private readonly tokens: TokensService) {}

  @Route(authApi.login)
  login({ body }: RequestOf<typeof authApi.login>) {
    return this.tokens.login(body.api_key);
  }

  @Route(authApi.refresh)
  refresh({ body }: RequestOf<typeof authApi.refresh>) {
    return this.tokens.refresh(body.refresh_token);
  }

  @Route(authApi.logout)
  logout({ principal, body }: RequestOf<typeof authApi.logout>) {
    return this.tokens.logout(principal, body.refresh_token);
  }

  @Route(authApi.me)
  me({ principal }: RequestOf<typeof authApi.me>) {
    return this.tokens.me(principal);
  }

  @Route(authApi.validate)
  validate({ body }: RequestOf<typeof authApi.validate>) {
    return this.tokens.validate(body.token);
  }

  @Route(authApi.createTicket)
  createTicket({ principal, body }: RequestOf<typeof authApi.createTicket>) {
    return this.tokens.createTicket(principal, body);
  }
}
