import { Injectable } from '@nestjs/common';
import { deadLettersApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { answerPage } from '../jobs/page.js';
import { DeadLetterService } from './dead-letter.service.js';

/** Edge, HTTP: dead letters. */
@Injectable()
export class DeadLettersController {
  constructor(private readonly letters: DeadLetterService) {}

  @Route(deadLettersApi.list)
  async list(request: RequestOf<typeof deadLettersApi.list>) {
    return answerPage(request, await this.letters.list(request.principal, request.query));
  }

  @Route(deadLettersApi.retry)
  retry({ principal, body }: RequestOf<typeof deadLettersApi.retry>) {
    return this.letters.retry(principal, body);
  }

  @Route(deadLettersApi.purge)
  purge({ principal, body }: RequestOf<typeof deadLettersApi.purge>) {
    return this.letters.purge(principal, body);
  }
}
